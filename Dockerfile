# Mailstead in a container: `docker build -t mailstead .`, then `docker run -v mail:/data -p 25:25 … mailstead` (README.md).
# Debian 12 instead of 13: --build-arg DEBIAN=bookworm-slim
ARG DEBIAN=trixie-slim

FROM debian:${DEBIAN} AS build
# How hard the compiler tries: whoever only looks whether the image works may say -O0.
ARG OPTIMIZE=-O2
WORKDIR /src
COPY packaging/apt.sh packaging/
COPY packaging/debian-packages packaging/debian-packages/
RUN bash -c '. packaging/apt.sh && install_packages packaging/debian-packages/build.txt packaging/debian-packages/image.txt'
COPY . .
RUN bash -c '. packaging/apt.sh && cmake --preset release -DMAILSTEAD_TESTS=OFF -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$OPTIMIZE -DNDEBUG" -DCMAKE_UNITY_BUILD=ON && \
      cmake --build --preset release --target mailstead --parallel "$(build_jobs)"' && \
    mkdir /out && strip --strip-debug -o /out/mailstead build/release/mailstead && packaging/run-packages /out/mailstead >/out/packages && \
    cp /etc/ssl/certs/ca-certificates.crt /out/

FROM debian:${DEBIAN}
COPY --from=build /out/ /tmp/out/
# The user has a fixed number, so that a folder of the host can be given to it: chown 10025:10025.
# Other servers' certificates are checked by the list of ca-certificates; that package itself would bring OpenSSL along.
# The file capability lets it bind ports below 1024 where the container runtime does not allow that to everybody.
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends libcap2-bin </tmp/out/packages && \
    groupadd --gid 10025 mailstead && \
    useradd --uid 10025 --gid 10025 --home-dir /data --no-create-home --shell /usr/sbin/nologin mailstead && \
    install -d -m 0700 -o mailstead -g mailstead /data && \
    install -D -m 0644 /tmp/out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt && \
    install -m 0755 /tmp/out/mailstead /usr/local/bin/mailstead && \
    setcap cap_net_bind_service=ep /usr/local/bin/mailstead && \
    apt-get purge -y --auto-remove libcap2-bin && \
    rm -rf /tmp/out /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*
ENV MAILSTEAD_DATA=/data
VOLUME /data
EXPOSE 25 587 465 110 995
USER 10025:10025
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s CMD ["mailstead", "status"]
ENTRYPOINT ["mailstead"]
CMD ["serve"]
