// LMDB 0.9, 64 bit, native byte order (mdb.c, "Page structures"): a file of equal pages. Page 0 and 1 are meta pages,
// of which the one with the higher transaction is in force; it holds the roots of two B+trees: free pages (by
// transaction) and the main tree, whose values are the roots of the named databases.
//
//   page      u64 number ‖ u16 pad ‖ u16 flags ‖ u16 lower ‖ u16 upper, then u16 offsets of nodes, (lower - 16) / 2 of
//             them; nodes from `upper` to the end. Overflow pages: u32 count of pages in place of lower and upper
//   meta      page header ‖ u32 magic ‖ u32 version ‖ u64 address ‖ u64 map size ‖ 2 databases ‖
//             u64 last page ‖ u64 transaction
//   database  u32 pad (in the first: page size) ‖ u16 flags ‖ u16 depth ‖ u64 branch, leaf, overflow pages ‖
//             u64 entries ‖ u64 root
//   node      u16 low ‖ u16 high ‖ u16 flags ‖ u16 key size ‖ key ‖ data
//             branch: page number = low | high << 16 | flags << 32, no data
//             leaf: data size = low | high << 16; with flag 1 the data is a u64 number of overflow pages, with flag 2 a
//             database
#include "node/store/page_check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>

#include "node/store/codes.h"
#include "node/store/files.h"

namespace tocsin::store {
namespace {

static_assert(std::endian::native == std::endian::little && sizeof(std::size_t) == 8,
              "LMDB files are of the machine's own layout; this check and load_le* agree with it here");

constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kDataVersion = 1;
constexpr std::size_t kPageHeader = 16;
constexpr std::size_t kDatabaseBytes = 48;
constexpr std::size_t kNodeHeader = 8;
constexpr std::size_t kMetaBytes = kPageHeader + 24 + 2 * kDatabaseBytes + 16;
constexpr std::size_t kPageBytesMin = 512;
constexpr std::size_t kPageBytesMax = 32768;
constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
constexpr int kDepthMax = 32;  // LMDB's cursors hold as many

constexpr std::uint16_t kBranch = 0x01;
constexpr std::uint16_t kLeaf = 0x02;
constexpr std::uint16_t kOverflow = 0x04;
constexpr std::uint16_t kMeta = 0x08;
constexpr std::uint16_t kNodeBig = 0x01;
constexpr std::uint16_t kNodeDatabase = 0x02;

struct PageTree {
  int depth;
  std::uint64_t entries;
  std::uint64_t root;
};

struct Meta {
  std::size_t page_bytes;
  PageTree free;
  PageTree main;
  std::uint64_t last_page;
  std::uint64_t transaction;
};

PageTree database_at(const std::uint8_t* at) { return {load_le16(at + 6), load_le64(at + 32), load_le64(at + 40)}; }

class Checker {
 public:
  Checker(ByteView file, PageDepth depth) : file_(file), depth_(depth) {}

  Result<void> run() {
    TOCSIN_TRY(read_metas());
    // A file may end before its last page when that one was given back before it was written; then only a full walk
    // tells.
    if (file_.size() / page_bytes_ <= meta_.last_page) depth_ = PageDepth::kAll;
    seen_.assign(std::min<std::uint64_t>(meta_.last_page + 1, file_.size() / page_bytes_ + 1), false);
    TOCSIN_TRY(walk_database(meta_.free, Tree::kFree));
    TOCSIN_TRY(walk_database(meta_.main, Tree::kMain));
    for (const std::uint64_t page : free_) {
      if (page <= 1 || page > meta_.last_page) return damaged(page, "is said to be free but cannot be");
      if (page < seen_.size() && seen_[page]) return damaged(page, "is said to be free but is in use");
    }
    return kOk;
  }

 private:
  enum class Tree { kFree, kMain, kNamed };

  static Error damaged(std::string why) {
    return environment_error(
        kStoreDamaged, "data.mdb is damaged: " + std::move(why) +
                           "; copy the home before anything else: what peers hold comes into a new home by a sync");
  }
  static Error damaged(std::uint64_t page, std::string_view why) {
    return damaged("page " + std::to_string(page) + " " + std::string(why));
  }

  Result<Meta> read_meta(std::size_t at) {
    if (file_.size() < at + kMetaBytes) return damaged("it ends inside its first pages");
    const std::uint8_t* page = file_.data() + at;
    const std::uint8_t* meta = page + kPageHeader;
    if ((load_le16(page + 10) & kMeta) == 0 || load_le32(meta) != kMagic) return damaged("it is not an LMDB file");
    if (load_le32(meta + 4) != kDataVersion) return damaged("its LMDB version is another");
    const std::uint8_t* databases = meta + 24;
    const std::size_t page_bytes = load_le32(databases);
    if (page_bytes < kPageBytesMin || page_bytes > kPageBytesMax || !std::has_single_bit(page_bytes)) {
      return damaged("its page size is impossible");
    }
    const std::uint8_t* end = databases + 2 * kDatabaseBytes;
    return Meta{page_bytes, database_at(databases), database_at(databases + kDatabaseBytes), load_le64(end),
                load_le64(end + 8)};
  }

  Result<void> read_metas() {
    TOCSIN_ASSIGN(first, read_meta(0));
    TOCSIN_ASSIGN(second, read_meta(first.page_bytes));
    if (first.page_bytes != second.page_bytes) return damaged("its two meta pages disagree about the page size");
    meta_ = second.transaction > first.transaction ? second : first;
    page_bytes_ = meta_.page_bytes;
    if (meta_.last_page < 1 || meta_.last_page > (std::uint64_t{1} << 47) / page_bytes_) {
      return damaged("its size is impossible");
    }
    return kOk;
  }

  // The page, counted as used.
  Result<const std::uint8_t*> take(std::uint64_t page, std::uint16_t kind) {
    TOCSIN_TRY(count_as_used(page, 1));
    const std::uint8_t* at = file_.data() + page * page_bytes_;
    if (load_le64(at) != page) return damaged(page, "holds another page");
    if ((load_le16(at + 10) & (kBranch | kLeaf | kOverflow | kMeta)) != kind)
      return damaged(page, "is of a wrong kind");
    return at;
  }

  Result<void> count_as_used(std::uint64_t page, std::uint64_t pages) {
    if (page <= 1 || page > meta_.last_page || pages > meta_.last_page - page + 1) {
      return damaged(page, "is referred to but cannot be");
    }
    if ((page + pages) * page_bytes_ > file_.size()) return damaged(page, "lies behind the end of the file");
    for (std::uint64_t i = page; i < page + pages; ++i) {
      if (seen_[i]) return damaged(i, "is used twice");
      seen_[i] = true;
    }
    return kOk;
  }

  Result<void> walk_database(const PageTree& database, Tree tree) {
    if (database.root == kNoPage) return database.depth == 0 ? Result<void>(kOk) : damaged("an empty tree has levels");
    if (database.depth < 1 || database.depth > kDepthMax) return damaged("a tree has an impossible depth");
    std::uint64_t entries = 0;
    TOCSIN_TRY(walk_page(database.root, database.depth, tree, entries));
    // Named databases lie in leaves of the main tree, so that tree is always walked in full, and so is the free list
    // when asked.
    const bool counted = depth_ == PageDepth::kAll || tree == Tree::kMain;
    if (counted && entries != database.entries) return damaged("a tree does not hold as many entries as it says");
    return kOk;
  }

  Result<void> walk_page(std::uint64_t page, int levels, Tree tree, std::uint64_t& entries) {
    if (levels == 1 && depth_ == PageDepth::kBranches && tree != Tree::kMain) return check_leaf_number(page);
    TOCSIN_ASSIGN(at, take(page, levels > 1 ? kBranch : kLeaf));
    const std::size_t lower = load_le16(at + 12);
    const std::size_t upper = load_le16(at + 14);
    if (lower < kPageHeader || lower % 2 != 0 || lower > upper || upper > page_bytes_) {
      return damaged(page, "has impossible sizes");
    }
    const std::size_t nodes = (lower - kPageHeader) / 2;
    if (nodes == 0 || (levels > 1 && nodes < 2 && tree != Tree::kFree)) return damaged(page, "has too few nodes");
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::size_t offset = load_le16(at + kPageHeader + 2 * i);
      if (offset < upper || offset + kNodeHeader > page_bytes_) return damaged(page, "has a node outside of it");
      const std::uint8_t* node = at + offset;
      const std::size_t key_bytes = load_le16(node + 6);
      const std::size_t room = page_bytes_ - offset - kNodeHeader;
      if (key_bytes > room) return damaged(page, "has a key that does not fit");
      if (levels > 1) {
        const std::uint64_t child = load_le32(node) | static_cast<std::uint64_t>(load_le16(node + 4)) << 32;
        TOCSIN_TRY(walk_page(child, levels - 1, tree, entries));
      } else {
        ++entries;
        TOCSIN_TRY(check_leaf_node(page, node, key_bytes, room - key_bytes, tree));
      }
    }
    return kOk;
  }

  // A leaf that is not opened: it lies inside the file, which is what keeps LMDB from reading past its end.
  Result<void> check_leaf_number(std::uint64_t page) {
    if (page <= 1 || page > meta_.last_page) return damaged(page, "is referred to but cannot be");
    if (seen_[page]) return damaged(page, "is used twice");
    seen_[page] = true;
    return kOk;
  }

  Result<void> check_leaf_node(std::uint64_t page, const std::uint8_t* node, std::size_t key_bytes, std::size_t room,
                               Tree tree) {
    const std::uint16_t flags = load_le16(node + 4);
    const std::size_t data_bytes = load_le32(node);
    const std::uint8_t* data = node + kNodeHeader + key_bytes;
    if (flags == kNodeBig) {
      if (room < 8) return damaged(page, "has a value that does not fit");
      return take_overflow(load_le64(data), data_bytes, tree);
    }
    if (data_bytes > room) return damaged(page, "has a value that does not fit");
    if (flags == kNodeDatabase) {
      if (tree != Tree::kMain || data_bytes != kDatabaseBytes) return damaged(page, "has a database where none can be");
      return walk_database(database_at(data), Tree::kNamed);
    }
    if (flags != 0) return damaged(page, "has a node of an unknown kind");
    if (tree == Tree::kMain) return damaged(page, "has a value where databases stand");
    if (tree == Tree::kFree) return read_free_list(page, {data, data_bytes});
    return kOk;
  }

  Result<void> take_overflow(std::uint64_t page, std::size_t data_bytes, Tree tree) {
    TOCSIN_ASSIGN(at, take(page, kOverflow));
    // A value that became smaller keeps its pages, so there may be more than it needs.
    const std::uint64_t pages = load_le32(at + 12);
    const std::uint64_t needed = (kPageHeader - 1 + data_bytes) / page_bytes_ + 1;
    if (pages < needed) return damaged(page, "has impossible sizes");
    if (pages > 1) TOCSIN_TRY(count_as_used(page + 1, pages - 1));
    if (tree == Tree::kFree) return read_free_list(page, {at + kPageHeader, data_bytes});
    return kOk;
  }

  // u64 count ‖ page numbers
  Result<void> read_free_list(std::uint64_t page, ByteView list) {
    if (list.size() < 8 || load_le64(list.data()) > list.size() / 8 - 1)
      return damaged(page, "has an impossible free list");
    const std::uint64_t count = load_le64(list.data());
    for (std::uint64_t i = 1; i <= count; ++i) free_.push_back(load_le64(&list[8 * i]));
    return kOk;
  }

  ByteView file_;
  PageDepth depth_;
  Meta meta_{};
  std::size_t page_bytes_ = 0;
  std::vector<bool> seen_;
  std::vector<std::uint64_t> free_;
};

// A file in memory as long as the object lives.
class Mapping {
 public:
  Mapping(int fd, std::size_t size) : size_(size), at_(::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0)) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (valid()) ::munmap(at_, size_);
  }
  bool valid() const { return at_ != MAP_FAILED; }
  ByteView view() const { return {static_cast<const std::uint8_t*>(at_), size_}; }

 private:
  std::size_t size_;
  void* at_;
};

}  // namespace

Result<void> check_page_bytes(ByteView file, PageDepth depth) { return Checker(file, depth).run(); }

Result<void> check_pages(const std::filesystem::path& data_file, PageDepth depth) {
  FileHandle file(::open(data_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return file_error(errno, "cannot open", data_file);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return file_error(errno, "cannot look at", data_file);
  if (info.st_size == 0) return check_page_bytes({}, depth);
  const Mapping mapping(file.get(), static_cast<std::size_t>(info.st_size));
  if (!mapping.valid()) return file_error(errno, "cannot read", data_file);
  return check_page_bytes(mapping.view(), depth);
}

}  // namespace tocsin::store
