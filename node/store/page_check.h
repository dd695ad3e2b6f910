// Looks at the structure of an LMDB file before LMDB is let near it. LMDB trusts its file: it has no checksums, follows
// page numbers wherever they lead, and aborts the process on some that cannot be. So a file that was cut short,
// overwritten or taken from a dying disk is judged here first, by code that bounds every step, and refused with
// kStoreDamaged (detail: what and where).
//
// Found: a file that is no LMDB file or of another build; one shorter than what it refers to; page numbers that lead
// nowhere, in circles or twice to one page; pages of a wrong kind or with impossible sizes; a free page that is in use
// (Depth::kAll). Not found: changed content of keys and values. Entries are checked by fsck (hashes, chain,
// signatures), records and log records whenever they are read (sealed); a changed key shows in fsck as an entry that is
// missing or out of place.
//
// The format is that of LMDB 0.9 on a 64-bit machine, see page_check.cc.
#pragma once

#include <filesystem>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::store {

enum class PageDepth {
  kBranches,  // meta and branch pages: some thousandth of the file; at every start
  kAll,       // every page and the free list; reads the whole file
};

// Nobody writes to the file meanwhile. A file that is too short for its newest state is looked at in full whatever
// `depth` says.
Result<void> check_pages(const std::filesystem::path& data_file, PageDepth depth);
// The same on bytes, for the fuzzer.
Result<void> check_page_bytes(ByteView file, PageDepth depth);

}  // namespace tocsin::store
