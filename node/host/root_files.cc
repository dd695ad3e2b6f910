#include "node/host/root_files.h"

#include <filesystem>

#include "node/store/files.h"
#include "node/store/keystore.h"

namespace tocsin::host {
namespace {

constexpr std::size_t kSetFileBytesMax = 8 * 1024;
constexpr std::size_t kNoteBytesMax = 256 * 1024;

std::string file_name(const RootFiles& where, std::size_t index) {
  return where.passphrases.size() == 1 ? where.name + ".key" : where.name + "-" + std::to_string(index + 1) + ".key";
}

Result<void> check(const RootFiles& where, std::uint8_t threshold) {
  const auto count = where.passphrases.size();
  if (count < 1 || count > protocol::kRootsMax || threshold < 1 || threshold > count)
    return caller_error(protocol::kBadRoots, "roots are 1 to 16 keys, the threshold is 1 to their number");
  if (where.folders.size() != 1 && where.folders.size() != count)
    return caller_error(protocol::kBadRoots, "name one folder for all root keys, or one for each");
  for (const auto& passphrase : where.passphrases)
    if (passphrase.size() < kPassphraseBytesMin)
      return caller_error(Code{"weak_passphrase"},
                          "a passphrase has at least 8 characters; five random words are good");
  return kOk;
}

Result<void> make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return kOk;
  return store::make_private_folder(folder);
}

}  // namespace

Result<WrittenRoots> write_roots(const RootFiles& where, std::uint8_t threshold, crypto::Random& random) {
  TOCSIN_TRY(check(where, threshold));
  WrittenRoots out;
  out.set.threshold = threshold;
  for (std::size_t i = 0; i < where.passphrases.size(); ++i) {
    out.keys.push_back(crypto::SigningKey::generate(random));
    out.set.keys.push_back(out.keys.back().verify_key());
  }
  const auto set_text = protocol::encode_root_set(out.set) + "\n";
  const auto write_all = [&]() -> Result<void> {
    for (std::size_t i = 0; i < out.keys.size(); ++i) {
      const std::filesystem::path folder = where.folders[where.folders.size() == 1 ? 0 : i];
      TOCSIN_TRY(make_folder(folder));
      const auto file = folder / file_name(where, i);
      TOCSIN_TRY(store::write_root_key(file, as_text(where.passphrases[i].view()), out.keys[i].seed(), random));
      out.files.push_back(file.string());
      const auto set_file = folder / (where.name + ".set");
      TOCSIN_TRY(store::write_file(set_file, as_bytes(set_text)));
      if (out.set_file.empty()) out.set_file = set_file.string();
    }
    return kOk;
  };
  if (auto written = write_all(); !written) {
    remove_roots(out);
    return written.error();
  }
  return out;
}

void remove_roots(const WrittenRoots& roots) {
  std::error_code ignored;
  const auto set_name = std::filesystem::path(roots.set_file).filename();
  for (const auto& file : roots.files) {
    std::filesystem::remove(file, ignored);
    if (!set_name.empty()) std::filesystem::remove(std::filesystem::path(file).parent_path() / set_name, ignored);
  }
}

Result<void> note_root_files(const std::string& home, const std::vector<std::string>& files) {
  const auto note = std::filesystem::path(home) / "roots" / kRootFilesNote;
  std::string lines;
  if (const auto before = store::read_file(note, kNoteBytesMax)) lines = as_text(*before);
  for (const auto& file : files) {
    std::error_code error;
    lines += std::filesystem::absolute(file, error).string() + "\n";
  }
  return store::write_file(note, as_bytes(lines));
}

Result<std::string> sign_request(std::string_view text, const std::string& root_file,
                                 const crypto::SecretBuffer& passphrase) {
  TOCSIN_ASSIGN(request, protocol::decode_org_request(text));
  TOCSIN_ASSIGN(seed, store::read_root_key(root_file, as_text(passphrase.view())));
  TOCSIN_ASSIGN(signature, protocol::sign_org_request(request, crypto::SigningKey::from_seed(seed)));
  return protocol::encode_org_signature(signature);
}

Result<protocol::RootSet> read_root_set(const std::string& file) {
  TOCSIN_ASSIGN(bytes, store::read_file(file, kSetFileBytesMax));
  return protocol::decode_root_set(as_text(bytes));
}

}  // namespace tocsin::host
