// Call sites in words: the functions of the store through which a sync was reached.
#pragma once

#include <string>
#include <vector>

#include "record.h"

namespace mailstead::power {

// For each record that is a sync what was synced and for whom: "new: Maildir::sync_new <
// DeliveryBatch::publish_group < …", the innermost function first, up to the one of the store's interface;
// empty for the others, and for syncs of the test's own. Needs addr2line (binutils); throws without it.
std::vector<std::string> describe_syncs(const Recording& recording);

}  // namespace mailstead::power
