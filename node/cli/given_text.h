// What a person brings in a file: a card, a request, a signature, as people save them; and whether it is what is
// wanted.
#pragma once

#include <string>

#include "crypto/result.h"
#include "node/desk/file_kind.h"

namespace tocsin::cli {

// Of the kind that is wanted, from a file, or standard input for "-". Errors: those of read_file and
// desk::expect_kind.
Result<std::string> read_given(const std::string& path, desk::FileKind wanted);
// The card in what `card show` gave, however it was saved: its JSON, or the line alone, or what a terminal showed,
// where the line may be broken and the words stand below an empty line.
Result<std::string> read_card(const std::string& path);
// The request in what `init --join`, `backup restore` and `key rotate` gave: their JSON, or the line alone.
Result<std::string> read_node_request(const std::string& path);
// By the beginning of a file that somebody else will read whole; one that cannot be read is for them to tell.
Result<void> expect_file(const std::string& path, desk::FileKind wanted);

}  // namespace tocsin::cli
