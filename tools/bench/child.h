// One of the two processes of `sync`: a bench node that does what it is told in lines on standard input, and answers
// each with one line of JSON.
#pragma once

#include <string>

namespace tocsin::bench {

int run_child(const std::string& folder, const std::string& name);

}  // namespace tocsin::bench
