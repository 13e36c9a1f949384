// The network for the command line, which has no loop of its own: see admin/outside.h.
#pragma once

#include <functional>

#include "admin/outside.h"

namespace mailstead {

// See admin::GoOutside. Threads: any, one call at a time.
void go_outside(const admin::OutsideTerms& terms, const std::function<void(admin::Outside&)>& begin);

}  // namespace mailstead
