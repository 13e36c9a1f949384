#include "admin/report.h"

#include "admin/text.h"

namespace mailstead::admin {

Report done(std::string text, const Value& json) {
  Report report;
  report.text = std::move(text);
  report.json = json_text(json);
  return report;
}

Report failed(std::string why) {
  Report report;
  report.exit_code = 1;
  report.error = printable(why);
  return report;
}

Report failed(const Error& error) {
  return failed(error.message);
}

Report misused(std::string why) {
  Report report;
  report.exit_code = 2;
  report.error = printable(why);
  return report;
}

}  // namespace mailstead::admin
