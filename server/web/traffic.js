// The charts of the overview, made from the server's history: counters become "in the last minute" (or ten, or an hour) at each sample.

import { history } from "./api.js";
import { el, fill, new_id } from "./dom.js";
import { refusal } from "./parts.js";
import { chart } from "./chart.js";
import { number_text, size_text } from "./text.js";

// Over which time counters are told, in seconds.
const SPANS = {
  hour: { title: "Hour", window: 60, per: "per minute", words: "the last hour" },
  day: { title: "Day", window: 600, per: "per 10 minutes", words: "the last day" },
  week: { title: "Week", window: 3600, per: "per hour", words: "the last week" },
};

const COUNTERS = ["accepted", "refused", "retrieved", "sent", "failed", "logins", "failed_logins"];

const CHARTS = [
  {
    title: "Messages",
    counts: true,
    series: [
      ["accepted", "accepted"],
      ["sent", "sent to others"],
      ["retrieved", "retrieved"],
      ["refused", "refused"],
    ],
  },
  {
    title: "Logins",
    counts: true,
    series: [
      ["logins", "right"],
      ["failed_logins", "failed"],
    ],
  },
  { title: "Connections", unit: "open", series: [["connections", "open now"]] },
  {
    title: "Queue",
    unit: "waiting",
    series: [
      ["waiting", "recipients at other hosts"],
      ["unfiled", "messages here, not yet in a file"],
    ],
  },
  { title: "Free space", unit: "on the disk", octets: true, series: [["free_octets", "free"]] },
  { title: "Mail", unit: "kept here", octets: true, series: [["mail_octets", "in mailboxes"]] },
];

// Where samples are missing, or counters began anew, a line has a gap: NaN.
export function by_time(told, span) {
  const { window } = SPANS[span];
  const field = Object.fromEntries(told.fields.map((name, i) => [name, i]));
  // "fields" may begin with the time's own name or not.
  const shift = told.samples.length && told.samples[0].length > told.fields.length ? 1 : 0;
  const value = (sample, name) => (field[name] === undefined ? NaN : (sample[field[name] + shift] ?? NaN));
  const times = told.samples.map((sample) => sample[0]);
  const fresh = told.samples.map(
    (sample, i) =>
      i === 0 ||
      times[i] - times[i - 1] > 3 * told.step ||
      COUNTERS.some((name) => value(sample, name) < value(told.samples[i - 1], name)),
  );
  const values = {};
  for (const name of told.fields) {
    values[name] = told.samples.map((sample) => value(sample, name));
    if (!COUNTERS.includes(name)) continue;
    const counter = values[name];
    let first = 0;
    values[name] = counter.map((count, i) => {
      if (fresh[i]) first = i;
      let from = i;
      while (from > first && times[i] - times[from] < window) --from;
      return from === i ? NaN : count - counter[from];
    });
  }
  return { times, fresh, values };
}

export function traffic() {
  let span = "hour";
  const charts = CHARTS.map((each) => chart(each.title));
  const trouble = el("div");
  const group = new_id("span");

  async function look(poll) {
    const asked = span;
    const told = await history(asked, { poll });
    if (asked !== span) return;
    const { times, fresh, values } = by_time(told, span);
    CHARTS.forEach((each, i) =>
      charts[i].draw({
        times,
        fresh,
        words: SPANS[span].words,
        seconds: { hour: 3600, day: 86_400, week: 604_800 }[span],
        unit: each.counts ? SPANS[span].per : each.unit,
        text: each.octets ? size_text : number_text,
        octets: Boolean(each.octets),
        counts: Boolean(each.counts),
        series: each.series.map(([name, title]) => ({ title, values: values[name] || times.map(() => NaN) })),
      }),
    );
    fill(trouble);
  }

  // Without the charts the rest of the overview is still worth seeing.
  async function choose(name, poll = false) {
    span = name;
    try {
      await look(poll);
    } catch (error) {
      fill(
        trouble,
        refusal(error, () => choose(name)),
      );
    }
  }

  const choice = el(
    "fieldset",
    { class: "switch" },
    el("legend", { class: "unseen" }, "How far back"),
    Object.entries(SPANS).map(([name, { title }]) => {
      const id = `${group}-${name}`;
      return [
        el("input", { type: "radio", name: group, id, value: name, checked: name === span, onchange: () => choose(name) }),
        el("label", { for: id }, title),
      ];
    }),
  );
  const id = new_id("traffic");
  return {
    element: el(
      "section",
      { "aria-labelledby": id, class: "traffic" },
      el("div", { class: "heading" }, el("h2", { id }, "Traffic"), choice),
      trouble,
      el(
        "div",
        { class: "charts" },
        charts.map((each) => each.element),
      ),
    ),
    look: (poll) => choose(span, poll),
  };
}
