// Work in a process of its own, so that one that dies tells something and ends nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace mailstead::power {

// Calls work(0), work(1), … in a child process, and `told` here with what each returned, or with what became
// of the process, which is then followed by another for the rest. Stops early when `told` returns false.
void in_children(std::size_t count, const std::function<std::string(std::size_t)>& work,
                 const std::function<bool(std::size_t, const std::string&)>& told);

}  // namespace mailstead::power
