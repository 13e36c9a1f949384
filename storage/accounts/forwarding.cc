#include "storage/accounts/forwarding.h"

#include <utility>

#include "protocols/smtp/srs.h"
#include "protocols/utf8.h"

namespace mailstead {

std::optional<Address> Forwarding::origin(const Address& recipient) const {
  if (!looks_like_srs(recipient) || !directory_.is_ours(recipient.domain)) return std::nullopt;
  auto origin = Srs(srs_key_, recipient.domain).reverse(recipient, now_);
  if (!origin) return std::nullopt;
  return *std::move(origin);
}

std::optional<Address> Forwarding::reverse_path(const std::optional<Address>& reverse_path,
                                                const Address& via) const {
  if (!reverse_path || directory_.is_ours(reverse_path->domain)) return reverse_path;
  auto rewritten = Srs(srs_key_, via.domain).forward(*reverse_path, now_);
  if (rewritten) return *std::move(rewritten);
  return Address{"postmaster", via.domain};
}

Recipient passed_on(const Recipient& recipient, const Address& target, Places places) {
  Recipient next = recipient;
  next.address = target;
  if (places == Places::kSeveral && next.notify) next.notify->success = false;
  // Reports name the address that their reader knows; "utf-8" of RFC 6533 3 is not for every host.
  const std::string known = recipient.address.text();
  if (next.original.empty() && utf8::is_ascii(known)) next.original = "rfc822;" + known;
  return next;
}

}  // namespace mailstead
