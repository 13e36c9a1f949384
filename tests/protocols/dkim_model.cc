#include "tests/protocols/dkim_model.h"

#include <algorithm>
#include <vector>

#include "protocols/ascii.h"
#include "protocols/base64.h"
#include "protocols/origin/tag_list.h"
#include "protocols/sha256.h"

namespace mailstead::dkim_test {

namespace {

std::vector<std::string> lines_of(std::string_view body) {
  std::vector<std::string> lines;
  while (!body.empty()) {
    const std::size_t end = body.find("\r\n");
    lines.emplace_back(body.substr(0, end));
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 2);
  }
  return lines;
}

std::string relaxed_line(const std::string& line) {
  std::string result;
  for (const char c : line) {
    if (!ascii::is_blank(c)) {
      result += c;
    } else if (!result.ends_with(' ')) {
      result += ' ';
    }
  }
  if (result.ends_with(' ')) result.pop_back();
  return result;
}

std::string tag_or(const TagList& tags, std::string_view name, std::string_view otherwise) {
  return std::string(tags.value(name).value_or(otherwise));
}

void fill_in(std::string& tags, const std::string& place, const std::string& value) {
  const std::size_t at = tags.find(place + "@");
  if (at != std::string::npos) tags.replace(at + place.size(), 1, value);
}

}  // namespace

std::string model_body(std::string_view body, DkimForm form) {
  std::vector<std::string> lines = lines_of(body);
  if (form == DkimForm::kRelaxed) std::ranges::transform(lines, lines.begin(), relaxed_line);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  if (lines.empty()) return form == DkimForm::kSimple ? "\r\n" : "";
  std::string text;
  for (const std::string& line : lines) text += line + "\r\n";
  return text;
}

std::string model_signature(std::string_view message, std::string tags, const DkimKey& key,
                            std::string_view name) {
  DkimHeader header;
  const std::string body(header.read(message));
  std::vector<DkimField> fields = header.fields().value();
  const std::string copy = tags;
  const TagList list = TagList::parse(copy).value();
  const std::string form = tag_or(list, "c", "simple/simple");
  const bool relaxed = form.starts_with("relaxed");
  std::string text = model_body(body, form.ends_with("/relaxed") ? DkimForm::kRelaxed : DkimForm::kSimple);
  if (list.find("l"))
    text.resize(std::min<std::size_t>(text.size(), ascii::number(*list.value("l")).value_or(0)));
  fill_in(tags, "bh=", base64::encode(octets_of(sha256(text))));

  std::string covered;
  for_each_part(tag_or(list, "h", ""), [&](std::string_view wanted) {
    const auto last = std::find_if(fields.rbegin(), fields.rend(), [&wanted](const DkimField& field) {
      return ascii::same(field.name, wanted);
    });
    if (last == fields.rend()) return true;
    covered += relaxed ? relaxed_field(last->raw) : std::string(last->raw);
    fields.erase(std::next(last).base());
    return true;
  });
  std::string own = tags;
  own.replace(own.find(" b=@") + 3, 1, "");
  own = std::string(name) + ": " + own;
  if (relaxed) {
    own = relaxed_field(own);
    own.resize(own.size() - 2);
  }
  fill_in(tags, " b=", base64::encode(key.sign(sha256(covered + own))));
  return std::string(name) + ": " + tags + "\r\n";
}

void read_in_pieces(SignedMessage& into, std::string_view message, std::size_t piece) {
  for (std::size_t at = 0; at < message.size(); at += piece) into.read(message.substr(at, piece));
  into.finish();
}

}  // namespace mailstead::dkim_test
