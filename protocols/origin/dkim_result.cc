#include "protocols/origin/dkim_result.h"

namespace mailstead {

std::string_view name_of(DkimResult result) {
  switch (result) {
    case DkimResult::kPass:
      return "pass";
    case DkimResult::kFail:
      return "fail";
    case DkimResult::kPolicy:
      return "policy";
    case DkimResult::kNeutral:
      return "neutral";
    case DkimResult::kTemporaryError:
      return "temperror";
    case DkimResult::kPermanentError:
      return "permerror";
  }
  return {};
}

}  // namespace mailstead
