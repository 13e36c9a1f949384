#include "admin/doctor/doctor_tls.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "admin/dns/dns_records.h"
#include "admin/file.h"
#include "admin/text.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

constexpr const char* kMachineAuthorities = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t kMostPem = 1u << 20;        // octets
constexpr std::int64_t kDay = 86400;              // seconds
constexpr std::int64_t kExpiresSoon = 21 * kDay;  // who renews by himself does so at 30 days

constexpr const char* kHowToGetOne =
    "A certificate that all trust costs nothing, and the server gets and renews it by itself: "
    "directory = \"letsencrypt\" and accept_terms = true below a line [acme] in mailstead.toml; the "
    "authority looks "
    "at port 80 of {0}.";
constexpr const char* kHowToSeeWhy =
    "'mailstead tls show' tells what is in the way, and 'mailstead tls renew' tries now.";

bssl::UniquePtr<X509_STORE> authorities() {
  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  const char* const named = std::getenv("SSL_CERT_FILE");
  const char* const file = named == nullptr || *named == '\0' ? kMachineAuthorities : named;
  if (store && X509_STORE_load_locations(store.get(), file, nullptr) != 1) store.reset();
  ERR_clear_error();
  return store;
}

std::vector<bssl::UniquePtr<X509>> certificates_in(const std::string& text) {
  std::vector<bssl::UniquePtr<X509>> found;
  const bssl::UniquePtr<BIO> memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  while (memory) {
    bssl::UniquePtr<X509> next(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    found.push_back(std::move(next));
  }
  ERR_clear_error();
  return found;
}

std::string how_to_make_another(const CertificateFiles& files) {
  return fmt::format(
      "Or, to go on with a self-made one: rename {} and restart the server, which makes a new one; mail "
      "programs ask again whether to trust it.",
      files.certificate);
}

// Nobody issued it but itself; or an authority of the administrator's own, which only his programs trust.
void judge_trust(const TlsFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, const std::string& advice) {
    into.push_back({"tls", health, std::move(found), advice});
  };
  const std::string how = fmt::format(fmt::runtime(kHowToGetOne), facts.hostname);
  const std::string advice = facts.acme_advice.empty()
                                 ? kHowToSeeWhy
                                 : fmt::format("{} What to do: {}", kHowToSeeWhy, facts.acme_advice);
  if (facts.certificate->self_signed && facts.is_acme) {
    return add(Health::kWarning,
               fmt::format("the server has no certificate of an authority yet{}{}; its self-made one serves",
                           facts.acme_problem.empty() ? "" : ": ", facts.acme_problem),
               advice);
  }
  if (!facts.acme_problem.empty())
    add(Health::kWarning, fmt::format("the certificate could not be renewed: {}", facts.acme_problem),
        advice);
  if (facts.certificate->self_signed) {
    // One finding with its names, too: one by an authority would be right in both.
    const bool is_named = !facts.is_default || covers(facts.certificate->names, facts.hostname);
    return add(
        Health::kWarning,
        is_named
            ? "the certificate is self-made: nobody but you can vouch for it"
            : fmt::format("the certificate is self-made, and not for {}: nobody but you can vouch for it",
                          facts.hostname),
        "Other mail servers take it. Thunderbird and K-9 ask once whether to trust it; Outlook, iPhones and "
        "Gmail warn each time or refuse. " +
            how + (is_named || !facts.files.own ? "" : " " + how_to_make_another(facts.files)));
  }
  switch (facts.chain) {
    case ChainVerdict::kTrusted:
      return;
    case ChainVerdict::kIncomplete:
      return add(
          Health::kProblem,
          fmt::format("{} is incomplete: the certificate of {} is missing in it", facts.files.certificate,
                      facts.certificate->issuer),
          "Name the file with the whole chain (certbot's fullchain.pem, not cert.pem): many mail programs "
          "cannot check the certificate otherwise.");
    case ChainVerdict::kUntrusted:
      return add(
          Health::kProblem,
          fmt::format("the certificate is by {}, whom this machine does not trust ({})",
                      facts.certificate->issuer, facts.chain_words),
          "If it is an authority of your own, its certificate has to be in each phone and program. " + how);
    case ChainVerdict::kCannotTell:
      return add(Health::kNote,
                 "who issued the certificate could not be checked: this machine knows no authorities",
                 "Install them: apt install ca-certificates.");
  }
}

void judge_names(const TlsFacts& facts, DoctorFindings& into) {
  // Which names the others are for is the administrator's to say.
  if (!facts.is_default) return;
  const CertificateFacts& certificate = *facts.certificate;
  if (certificate.self_signed && facts.kept_because.empty()) return;  // see judge_trust()
  if (!covers(certificate.names, facts.hostname)) {
    const Health health = certificate.self_signed ? Health::kWarning : Health::kProblem;
    into.push_back(
        {"tls", health,
         fmt::format("the certificate is for {}, not for {}",
                     certificate.names.empty() ? certificate.subject
                                               : fmt::format("{}", fmt::join(certificate.names, ", ")),
                     facts.hostname),
         facts.files.own ? how_to_make_another(facts.files)
                         : fmt::format("Get one for {}: mail programs that connect to this name refuse it.",
                                       facts.hostname)});
  }
  std::vector<std::string> missing;
  std::ranges::copy_if(facts.other_names, std::back_inserter(missing),
                       [&](const std::string& name) { return !covers(certificate.names, name); });
  if (missing.empty() || certificate.self_signed) return;
  into.push_back(
      {"tls", Health::kNote, fmt::format("the certificate is not for {}", fmt::join(missing, ", ")),
       "Programs that look there for their settings over HTTPS ([listen] webs) go on without. Get one "
       "that is for these names, too ([acme] names; certbot: one -d for each)."});
}

void judge_time(const TlsFacts& facts, DoctorFindings& into) {
  const CertificateFacts& certificate = *facts.certificate;
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"tls", health, std::move(found), std::move(advice)});
  };
  const std::int64_t left = certificate.not_after - facts.now;
  const std::string renew = facts.files.own ? "The server makes a new one at its next start."
                            : facts.is_acme
                                ? kHowToSeeWhy
                                : "Renew it ('certbot renew'), and see why that did not happen by itself "
                                  "('systemctl list-timers'). The server reads the new one by itself.";
  // One that the server renews may be good for a few days only.
  const std::int64_t soon = facts.is_acme
                                ? std::min(kExpiresSoon, (certificate.not_after - certificate.not_before) / 4)
                                : kExpiresSoon;
  if (certificate.not_before > facts.now) {
    add(Health::kProblem,
        fmt::format("the certificate is not valid before {}", time_text(certificate.not_before)),
        "See whether this machine's clock is right (clock).");
  } else if (left < 0) {
    add(Health::kProblem, fmt::format("the certificate expired {} ago", span_text(-left)), renew);
  } else if (left < soon) {
    add(Health::kWarning, fmt::format("the certificate expires in {}", span_text(left)), renew);
  }
}

void judge_key_mode(const TlsFacts& facts, DoctorFindings& into) {
  if (!facts.key_mode || (*facts.key_mode & 07) == 0) return;
  into.push_back({"tls", Health::kProblem,
                  fmt::format("everybody on this machine can read the key {}", facts.files.key),
                  fmt::format("Who has it can pass for this server: chmod o= {}", facts.files.key)});
}

}  // namespace

ChainVerdict verify_chain(const std::string& certificate_file, std::string& words) {
  const Result<std::string> text = read_file(certificate_file, kMostPem);
  const bssl::UniquePtr<X509_STORE> store = authorities();
  if (!text || !store) return ChainVerdict::kCannotTell;
  const auto certificates = certificates_in(*text);
  const bssl::UniquePtr<STACK_OF(X509)> chain(sk_X509_new_null());
  const bssl::UniquePtr<X509_STORE_CTX> work(X509_STORE_CTX_new());
  if (certificates.empty() || !chain || !work) return ChainVerdict::kCannotTell;
  for (const auto& each : certificates) bssl::PushToStack(chain.get(), bssl::UpRef(each));
  X509* const leaf = certificates.front().get();
  if (X509_STORE_CTX_init(work.get(), store.get(), leaf, chain.get()) != 1) return ChainVerdict::kCannotTell;
  X509_STORE_CTX_set_default(work.get(), "ssl_server");
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(work.get()),
                              X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  if (X509_verify_cert(work.get()) == 1) return ChainVerdict::kTrusted;
  const int error = X509_STORE_CTX_get_error(work.get());
  ERR_clear_error();
  words = X509_verify_cert_error_string(error);
  // The server's own is looked at last: all above it was good.
  const bool is_time = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
  if (is_time && X509_STORE_CTX_get_error_depth(work.get()) == 0) return ChainVerdict::kTrusted;
  // Alone in its file, and by somebody unknown: nearly always it is what stands between that is missing.
  const bool is_alone = certificates.size() == 1;
  return is_alone && error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ? ChainVerdict::kIncomplete
                                                                           : ChainVerdict::kUntrusted;
}

bool covers(const std::vector<std::string>& names, std::string_view host) {
  return std::ranges::any_of(names, [&](const std::string& name) {
    if (!name.starts_with("*.")) return ascii::same(name, host);
    const std::size_t dot = host.find('.');
    return dot != std::string_view::npos && dot > 0 &&
           ascii::same(std::string_view(name).substr(1), host.substr(dot));
  });
}

TlsFacts look_at_tls(const CertificateFiles& files, const std::string& hostname, std::int64_t now) {
  TlsFacts facts{.files = files, .certificate = {}, .hostname = hostname, .now = now};
  Result<CertificateFacts> read = read_certificate(files);
  if (!read) {
    facts.failure = read.error().kind;
    facts.failure_words = read.error().message;
    return facts;
  }
  facts.certificate = std::move(*read);
  facts.chain = verify_chain(files.certificate, facts.chain_words);
  struct stat key {};
  if (::stat(files.key.c_str(), &key) == 0) facts.key_mode = key.st_mode;
  return facts;
}

namespace {

void judge_pair(const TlsFacts& facts, DoctorFindings& into) {
  if (!facts.certificate) {
    const bool is_first = facts.files.own && facts.failure == ErrorKind::kNotFound;
    if (is_first) {
      into.push_back(
          {"tls", Health::kNote, "there is no certificate yet: the server makes one at its first start",
           can_be_found(facts.hostname) ? fmt::format(fmt::runtime(kHowToGetOne), facts.hostname) : ""});
    } else {
      into.push_back(
          {"tls", Health::kProblem, facts.failure_words,
           facts.failure == ErrorKind::kDenied
               ? "The server's user has to be able to read both files (and to enter the folders on "
                 "their way)."
               : "Correct [tls] certificate and key in mailstead.toml: a certificate in PEM form with its "
                 "chain, and the key that belongs to it."});
    }
    return;
  }
  const std::size_t before = into.size();
  judge_time(facts, into);
  if (facts.kept_because.empty()) {
    judge_trust(facts, into);
    judge_key_mode(facts, into);
  } else {
    into.push_back(
        {"tls", Health::kProblem,
         fmt::format("the server goes on with the certificate that it had: {}", facts.kept_because),
         "It would not start again with what is there now. Put certificate and key right; the "
         "server takes them from then on by itself."});
  }
  judge_names(facts, into);
  if (std::all_of(into.begin() + static_cast<std::ptrdiff_t>(before), into.end(),
                  [](const DoctorFinding& each) { return each.health == Health::kNote; })) {
    into.push_back(
        {"tls", Health::kOk,
         fmt::format("by {}, for {}, good until {}", facts.certificate->issuer,
                     fmt::join(facts.certificate->names, ", "), time_text(facts.certificate->not_after))});
  }
}

}  // namespace

void judge_tls(const TlsFacts& facts, DoctorFindings& into) {
  const std::size_t before = into.size();
  judge_pair(facts, into);
  if (facts.is_default) return;
  for (std::size_t i = before; i < into.size(); ++i)
    into[i].found = fmt::format("{}: {}", facts.files.certificate, into[i].found);
}

}  // namespace mailstead::admin
