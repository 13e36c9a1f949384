// A line chart as SVG: axes with round numbers, a legend, what was at the moment that a finger, a mouse or the arrow keys point at, and the
// same in words for who does not see it.

import { el, fill, renew, svg } from "./dom.js";
import { clock_text, now, time_text } from "./text.js";

const HEIGHT = 180,
  TOP = 10,
  BOTTOM = 24,
  RIGHT = 8;
const TIME_STEPS = [300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800]; // s

// The least of 1, 2, 5 times a power of the base that makes at most `most` steps.
export function nice_step(range, most, octets, whole) {
  const least = range / most;
  if (octets) {
    let step = 1;
    while (step < least) step *= 2;
    return step;
  }
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= least * 0.999);
  return whole ? Math.max(1, step) : step;
}

const known = (values) => values.filter((value) => Number.isFinite(value));

function summary(title, { series, unit, text, words, counts }) {
  const parts = series.map(({ title: name, values }) => {
    const there = known(values);
    if (!there.length) return `${name}: nothing known yet`;
    const last = text(there[there.length - 1]);
    return counts
      ? `${name}: ${last} now, at most ${text(Math.max(...there))}`
      : `${name}: ${last} now, between ${text(Math.min(...there))} and ${text(Math.max(...there))}`;
  });
  return `${title}, ${unit}, ${words}. ${parts.join(". ")}.`;
}

export function chart(title) {
  const picture = svg("svg", { role: "img", tabindex: 0, class: "chart" });
  const read_out = el("p", { class: "read-out" });
  const legend = el("ul", { class: "legend" });
  const unit = el("span", { class: "quiet" });
  let facts = null,
    at = null,
    scale = null;

  function draw() {
    const width = Math.max(240, Math.round(picture.clientWidth || picture.parentNode?.clientWidth || 320));
    const { times, series, text, octets, seconds } = facts;
    const all = series.flatMap(({ values }) => known(values));
    const top_value = Math.max(...all, octets ? 1024 : 1);
    const step = nice_step(top_value, 4, octets, !octets);
    const top = Math.ceil(top_value / step) * step;
    const labels = [];
    for (let value = 0; value <= top * 1.001; value += step) labels.push([value, text(value)]);
    const left = 12 + 6.5 * Math.max(...labels.map(([, label]) => label.length));
    const end = times.length ? times[times.length - 1] : now() / 1000;
    const begin = end - seconds;
    const x = (moment) => left + ((moment - begin) / seconds) * (width - left - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
    scale = { x, y, left, width };

    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    picture.setAttribute("aria-label", summary(title, facts));
    fill(
      picture,
      labels.map(([value, label]) => [
        svg("line", { class: value === 0 ? "axis" : "grid", x1: left, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, label),
      ]),
      time_ticks(begin, end, width - left - RIGHT).map(([moment, label]) => [
        svg("line", { class: "tick", x1: x(moment), x2: x(moment), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }),
        svg("text", { x: x(moment), y: HEIGHT - 6, "text-anchor": "middle" }, label),
      ]),
      series.map(({ values }, i) => lines(values, i)),
      svg("line", { class: "pointer", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" }),
    );
    renew(unit, facts.unit);
    if (series.length > 1)
      renew(
        legend,
        series.map(({ title: name }, i) =>
          el(
            "li",
            null,
            svg(
              "svg",
              { class: "swatch", viewBox: "0 0 22 8", "aria-hidden": "true" },
              svg("line", { class: `line series-${i}`, x1: 1, x2: 21, y1: 4, y2: 4 }),
            ),
            name,
          ),
        ),
      );
    point(at);
  }

  // A line for each run of samples without a gap; a run of one sample is a dot.
  function lines(values, i) {
    const runs = [];
    values.forEach((value, j) => {
      if (!Number.isFinite(value)) return;
      if (j === 0 || facts.fresh[j] || !Number.isFinite(values[j - 1])) runs.push([]);
      runs[runs.length - 1].push([scale.x(facts.times[j]), scale.y(value)]);
    });
    return runs.map((run) =>
      run.length === 1
        ? svg("circle", { class: `dot series-${i}`, cx: run[0][0].toFixed(1), cy: run[0][1].toFixed(1), r: 2 })
        : svg("polyline", {
            class: `line series-${i}`,
            points: run.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" "),
          }),
    );
  }

  function point(index) {
    const pointer = picture.querySelector(".pointer");
    if (facts === null || index === null || index < 0 || index >= facts.times.length) {
      at = null;
      pointer?.setAttribute("visibility", "hidden");
      const last = facts?.series.map(({ values }) => known(values).at(-1)).filter((value) => value !== undefined) || [];
      renew(
        read_out,
        last.length ? words_at(facts.times.length - 1, "Now") : "Nothing known yet: the first samples come in a moment.",
      );
      return;
    }
    at = index;
    const px = scale.x(facts.times[index]);
    pointer.setAttribute("x1", px);
    pointer.setAttribute("x2", px);
    pointer.setAttribute("visibility", "visible");
    const date = new Date(facts.times[index] * 1000);
    renew(read_out, words_at(index, facts.seconds > 86_400 ? time_text(date) : clock_text(date, facts.seconds <= 3600)));
  }

  const words_at = (index, when) => [
    el("b", null, when),
    " ",
    facts.series
      .map(({ title: name, values }) => `${name} ${Number.isFinite(values[index]) ? facts.text(values[index]) : "–"}`)
      .join(", "),
  ];

  function point_at(event) {
    if (!facts || !facts.times.length) return;
    const box = picture.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * scale.width;
    let best = 0;
    facts.times.forEach((moment, i) => {
      if (Math.abs(scale.x(moment) - px) < Math.abs(scale.x(facts.times[best]) - px)) best = i;
    });
    read_out.removeAttribute("aria-live");
    point(best);
  }

  picture.addEventListener("pointermove", point_at);
  picture.addEventListener("pointerdown", point_at);
  picture.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null));
  picture.addEventListener("blur", () => point(null));
  picture.addEventListener("keydown", (event) => {
    if (!facts || !facts.times.length) return;
    const last = facts.times.length - 1;
    const to = { ArrowLeft: (at ?? last + 1) - 1, ArrowRight: (at ?? last - 1) + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") point(null);
    if (to === undefined) return;
    event.preventDefault();
    read_out.setAttribute("aria-live", "polite");
    point(Math.min(last, Math.max(0, to)));
  });
  new ResizeObserver(() => facts && draw()).observe(picture);

  return {
    element: el(
      "figure",
      { class: "chart-box" },
      el("figcaption", null, el("h3", null, title), " ", unit),
      picture,
      read_out,
      legend,
    ),
    draw: (next) => {
      // The samples move on below a pointer that stands.
      const moment = at === null ? null : facts.times[at];
      facts = next;
      at = moment === null ? null : facts.times.indexOf(moment);
      draw();
    },
  };
}

// At round times of the clock on the wall.
export function time_ticks(begin, end, width) {
  const most = Math.max(2, Math.floor(width / 55));
  const step = TIME_STEPS.find((each) => (end - begin) / each <= most) || TIME_STEPS.at(-1);
  const shift = -new Date(end * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let moment = Math.ceil((begin + shift) / step) * step - shift; moment <= end; moment += step) {
    if (moment - begin < (end - begin) * 0.02 || end - moment < (end - begin) * 0.04) continue;
    const date = new Date(moment * 1000);
    ticks.push([moment, step >= 86_400 ? time_text(date).slice(5, 10) : clock_text(date)]);
  }
  return ticks;
}
