#include "protocols/smtp/delivery_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

struct Advice {
  std::string_view status;   // behind the class
  std::string_view refused;  // for good
  std::string_view waits;    // it is tried again; empty: kPutOff, or nothing
  std::string_view given_up = {};
};

constexpr std::string_view kPutOff = "The other server does not take the message yet.";
constexpr std::string_view kPutOffToTheEnd =
    "The other server put it off each time. Send it again later, or tell the recipient in another way.";
constexpr std::string_view kNeverGotThere = "Send it again later, or tell the recipient in another way.";
constexpr std::string_view kNoRelay =
    "The other server takes no mail for that domain. Look for a slip of the pen behind the @; if there is "
    "none, "
    "the recipient's domain names a wrong mail server: tell the recipient in another way.";
constexpr std::string_view kNotProven =
    "The other server found no proof that the message comes from your domain (SPF, DKIM, DMARC). Tell those "
    "who run your mail server: records in the DNS have to be put right.";

constexpr std::string_view kNoLogin =
    "Your mail server could not log in to the one that passes its mail on. Tell those who run your mail "
    "server.";

constexpr Advice kAdvice[] = {
    {"1.1", "There is no such address. Look for a slip of the pen in it.", {}},
    {"1.2", "There is no such domain. Look for a slip of the pen behind the @.", {}},
    {"1.3", "The address is not written as addresses are. Look for a slip of the pen in it.", {}},
    {"1.6", "The recipient has moved, and left no other address.", {}},
    {"1.10", "That domain takes no mail at all. Look for a slip of the pen behind the @.", {}},
    {"2.1", "The recipient's mailbox is switched off. Ask the recipient in another way.",
     "The recipient's mailbox is switched off at the moment.",
     "The recipient's mailbox is switched off. Ask the recipient in another way."},
    {"2.2", "The recipient's mailbox is full. Try again in a few days, or tell the recipient in another way.",
     "The recipient's mailbox is full.",
     "The recipient's mailbox was full all the time. Tell the recipient in another way."},
    {"2.3", "The message is too large for the recipient. Send large files in another way.", {}},
    {"3.2", "The other server takes no mail. Tell the recipient in another way.",
     "The other server takes no mail at the moment.",
     "The other server took no mail in all this time. Send it again later, or tell the recipient in another "
     "way."},
    {"3.4", "The message is too large for the other server. Send large files in another way.", {}},
    {"4.1", "The other server did not answer. Try again later, or tell the recipient in another way.",
     "The other server does not answer.",
     "The other server did not answer. Look for a slip of the pen behind the @, or tell the recipient in "
     "another way."},
    {"4.2", "The connection to the other server was lost. Try again later.",
     "The connection to the other server was lost.",
     "The connection to the other server was lost each time. Tell the recipient in another way."},
    {"4.3",
     "The name servers of the recipient's domain did not answer. Look for a slip of the pen behind the @.",
     "The name servers of the recipient's domain do not answer.",
     "The name servers of the recipient's domain did not answer. Look for a slip of the pen behind the @."},
    {"4.4",
     "The recipient's domain has no mail server that can be found. Look for a slip of the pen behind the @.",
     "The recipient's domain has no mail server that can be found.",
     "The recipient's domain has no mail server that can be found. Look for a slip of the pen behind the @."},
    {"4.6", "The message went round in a circle. The recipient's provider has to put that right.", {}},
    {"4.7", "The other server did not take the message in all this time.", {}},
    {"6.3",
     "The other server takes messages in plain ASCII only. Set your mail program to encode messages as "
     "\"quoted-printable\", and send it again.",
     {}},
    {"6.7", "The other server does not take letters beyond English ones in addresses.", {}},
    {"7.1", "The other server does not want this message. Its words below may tell why.",
     "The other server does not take the message yet; many make a sender wait whom they do not know."},
    {"7.5",
     "The other server did not show that it is the one that should have the mail. Those who run the mail "
     "servers have to put that right.",
     "The other server does not show that it is the one that should have the mail.",
     "The other server did not show that it is the one that should have the mail. Those who run the mail "
     "servers have to put that right."},
    {"7.8", kNoLogin, "Your mail server could not log in to the one that passes its mail on.", kNoLogin},
    {"7.10",
     "The other server offers no encryption, and the mail must not go without. Those who run the mail "
     "servers have to put that right.",
     "The other server offers no encryption, and the mail must not go without.",
     "The other server offers no encryption, and the mail must not go without. Those who run the mail "
     "servers have to put that right."},
    {"7.20", kNotProven, {}},
    {"7.23", kNotProven, {}},
    {"7.25",
     "The other server wants the address of your mail server to have a name in the DNS (reverse DNS). Tell "
     "those who run your mail server.",
     {}},
    {"7.26", kNotProven, {}},
    {"7.30", "The message was to be kept encrypted all the way, and the other server does not do that.", {}},
};

// How servers say that they pass nothing on; RFC 3463 has no code for it.
constexpr std::string_view kRelayWords[] = {
    "relay access denied",    "relaying denied", "relaying not",    "relaying is not", "relay not permitted",
    "not permitted to relay", "unable to relay", "we do not relay", "relay denied"};

bool is_about_relaying(std::string_view reply) {
  const std::string low = ascii::lower(reply);
  return std::ranges::any_of(kRelayWords,
                             [&low](std::string_view words) { return low.find(words) != std::string::npos; });
}

std::string times(std::int64_t number, std::string_view unit) {
  return fmt::format("{} {}{}", number, unit, number == 1 ? "" : "s");
}

// The largest unit that is there twice; nobody counts the rest.
std::string span_words(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 24 * kHour;
  if (seconds >= 2 * kDay) return times(seconds / kDay, "day");
  if (seconds >= 2 * kHour) return times(seconds / kHour, "hour");
  if (seconds >= kMinute) return times(seconds / kMinute, "minute");
  return times(std::max<std::int64_t>(seconds, 1), "second");
}

}  // namespace

bool is_theirs(std::string_view reply) {
  const std::string_view code = reply.substr(0, 3);
  return code.size() == 3 && std::ranges::all_of(code, ascii::is_digit) &&
         (reply.size() == 3 || reply[3] == ' ');
}

std::string_view delivery_advice(DeliveryFate fate, std::string_view status, std::string_view reply) {
  const std::string_view detail = status.size() < 3 ? std::string_view() : status.substr(2);
  const auto* const found = std::ranges::find(kAdvice, detail, &Advice::status);
  const bool is_known = found != std::end(kAdvice);
  switch (fate) {
    case DeliveryFate::kRefused:
      if (is_theirs(reply) && is_about_relaying(reply)) return kNoRelay;
      return is_known ? found->refused : std::string_view();
    case DeliveryFate::kWaits:
      if (is_known && !found->waits.empty()) return found->waits;
      return is_theirs(reply) ? kPutOff : std::string_view();
    case DeliveryFate::kGivenUp:
      if (is_known && !found->given_up.empty()) return found->given_up;
      if (is_theirs(reply)) return kPutOffToTheEnd;
      return is_known ? found->refused : kNeverGotThere;
  }
  return {};
}

std::string tried_words(std::int64_t seconds, std::uint32_t attempts) {
  if (attempts <= 1) return "It was tried once.";
  return fmt::format("It was tried for {}, {} times.", span_words(seconds), attempts);
}

}  // namespace mailstead
