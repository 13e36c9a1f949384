#include "admin/mail_intake.h"

#include <fmt/format.h>

#include "admin/text.h"

namespace mailstead::admin {

std::string why_no_mail(const MailIntake& intake) {
  if (!intake.free) return printable(intake.free.error().message);
  if (*intake.free < intake.least_free)
    return fmt::format("The disk has {} octets free, too few for mail", *intake.free);
  if (!intake.write_trouble.empty())
    return fmt::format("Mail cannot be written down: {}", printable(intake.write_trouble));
  return {};
}

}  // namespace mailstead::admin
