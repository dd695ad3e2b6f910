// tocsin-vectors as people run it: what it prints, how it exits, and that it notices what is wrong.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>

#include "tests/crypto/vector_files.h"

namespace tocsin::crypto {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Ran {
  int exit = -1;
  std::map<std::string, json> lines;  // by file name
};

Ran run_tool(const std::string& arguments) {
  const std::string program = std::string(TOCSIN_BUILD) + "/tocsin-vectors";
  FILE* pipe = popen(("'" + program + "' " + arguments + " 2>/dev/null").c_str(), "r");
  Ran ran;
  std::string text;
  char buffer[4096];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  const int status = pclose(pipe);
  ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const json object = json::parse(line, nullptr, false);
    if (object.is_object()) ran.lines[fs::path(object.at("file").get<std::string>()).filename()] = object;
  }
  return ran;
}

// A folder that goes away with the test.
class VectorsTool : public testing::Test {
 protected:
  VectorsTool() {
    std::string pattern = fs::temp_directory_path() / "tocsin-vectors-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~VectorsTool() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    std::ofstream(path) << text;
    return "'" + path.string() + "'";
  }
  Ran run_document(const json& document) { return run_tool(write("vectors.json", document.dump())); }

  fs::path folder_;
};

std::string counts(const json& line) {
  std::string out = line.at("kind").get<std::string>();
  for (const char* key : {"run", "accepted", "rejected", "skipped", "mismatches"}) out += " " + line.at(key).dump();
  return out;
}

TEST_F(VectorsTool, AllFilesGiveTheCountsOfTheirSources) {
  const Ran ran = run_tool("'" + vector_path("") + "'");
  EXPECT_EQ(ran.exit, 0);
  const std::map<std::string, std::string> expected = {
      {"cacophony_25519_ChaChaPoly_BLAKE2b.json", "noise 59 59 0 0 0"},
      {"noise-c-basic_25519_ChaChaPoly_BLAKE2b.json", "noise 15 15 0 0 0"},
      {"snow_25519_ChaChaPoly_BLAKE2b.json", "noise 51 51 0 0 0"},
      {"ed25519_test.json", "wycheproof-ed25519 151 88 63 0 0"},
      {"x25519_test.json", "wycheproof-x25519 518 487 31 0 0"},
      {"xchacha20_poly1305_test.json", "wycheproof-xchacha20-poly1305 315 246 69 0 0"},
      {"chacha20_poly1305_test.json", "wycheproof-chacha20-poly1305 325 256 69 0 0"},
      {"blake2b-kat.json", "blake2b-kat 512 512 0 0 0"},
      {"ed25519vectors.json", "cctv-ed25519 914 1 913 0 0"},
      {"cases.json", "speccheck 12 0 12 0 0"},
  };
  std::map<std::string, std::string> got;
  for (const auto& [name, line] : ran.lines) got[name] = counts(line);
  EXPECT_EQ(got, expected);
  EXPECT_EQ(ran.lines.at("x25519_test.json").at("non_canonical"), 29);
  EXPECT_EQ(ran.lines.at("x25519_test.json").at("refused"), 44);
}

TEST_F(VectorsTool, UnknownFilesAndWrongUsageExitWithTwo) {
  EXPECT_EQ(run_tool("").exit, 2);
  EXPECT_EQ(run_tool("--no-such-option").exit, 2);
  EXPECT_EQ(run_tool("--help").exit, 0);
  EXPECT_EQ(run_tool("'" + (folder_ / "missing").string() + "'").exit, 2);
  EXPECT_EQ(run_tool("'" + folder_.string() + "'").exit, 2) << "an empty folder";
  EXPECT_EQ(run_tool(write("empty", "")).exit, 2);
  EXPECT_EQ(run_tool(write("text", "no vectors here")).exit, 2);
  EXPECT_EQ(run_tool(write("cut.json", "[{\"hash\":\"blake2b\"")).exit, 2);
  for (const char* text :
       {"{}", "[]", "[1]", "null", "{\"vectors\":[]}", "{\"vectors\":[{}]}", "[[]]", "{\"algorithm\":1}",
        "{\"algorithm\":\"EDDSA\",\"testGroups\":[]}", "{\"algorithm\":\"AES-GCM\",\"testGroups\":[{}]}"}) {
    EXPECT_EQ(run_tool(write("other.json", text)).exit, 2) << text;
  }
}

TEST_F(VectorsTool, AMismatchOutweighsAnUnknownFile) {
  json document = read_vectors("blake2/blake2b-kat.json");
  document[3]["out"] = document[4]["out"];
  write("a.json", document.dump());
  write("b.json", "{}");
  write("LICENSE", "not JSON, passed over");
  const Ran ran = run_tool("'" + folder_.string() + "'");
  EXPECT_EQ(ran.exit, 6);
  EXPECT_EQ(counts(ran.lines.at("a.json")), "blake2b-kat 512 511 1 0 1");
}

// Flips the last hexadecimal digit.
void corrupt(json& text) {
  auto value = text.get<std::string>();
  value.back() = value.back() == '0' ? '1' : '0';
  text = value;
}

TEST_F(VectorsTool, EveryCorruptedNoiseFieldIsAMismatch) {
  const json all = read_vectors("noise/cacophony_25519_ChaChaPoly_BLAKE2b.json");
  json vector;
  for (const json& one : all["vectors"]) {
    if (one["protocol_name"] == "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2b") vector = one;
  }
  const auto run_one = [&](const json& changed) { return run_document({{"vectors", {changed}}}); };
  EXPECT_EQ(run_one(vector).exit, 0);
  for (const char* key : {"init_prologue", "resp_prologue", "init_static", "init_ephemeral", "init_remote_static",
                          "resp_static", "resp_ephemeral", "handshake_hash"}) {
    json changed = vector;
    corrupt(changed[key]);
    // X25519 ignores three bits of a secret; the last digit's lowest bit is not one of them, but bit 254 is set anyhow.
    const Ran ran = run_one(changed);
    EXPECT_EQ(ran.exit, 6) << key;
    EXPECT_EQ(ran.lines.at("vectors.json").at("mismatches"), 1) << key;
    changed[key] = 5;
    EXPECT_EQ(run_one(changed).exit, 6) << key << " of a wrong type";
  }
  for (const char* key : {"init_psks", "resp_psks"}) {
    json changed = vector;
    corrupt(changed[key][0]);
    EXPECT_EQ(run_one(changed).exit, 6) << key;
  }
  for (std::size_t i = 0; i < vector["messages"].size(); ++i) {
    for (const char* key : {"payload", "ciphertext"}) {
      json changed = vector;
      corrupt(changed["messages"][i][key]);
      EXPECT_EQ(run_one(changed).exit, 6) << i << key;
    }
  }
}

TEST_F(VectorsTool, CorruptedWycheproofVerdictsAreMismatches) {
  for (const char* file : {"ed25519", "xchacha20_poly1305", "chacha20_poly1305"}) {
    json document = read_vectors(std::string("wycheproof/") + file + "_test.json");
    json& test = document["testGroups"][0]["tests"][0];
    ASSERT_EQ(test["result"], "valid");
    test["result"] = "invalid";
    EXPECT_EQ(run_document(document).exit, 6) << file;
    test["result"] = "perhaps";
    EXPECT_EQ(run_document(document).exit, 6) << file;
    test["result"] = "valid";
    EXPECT_EQ(run_document(document).exit, 0) << file;
    test["msg"] = "00";
    EXPECT_EQ(run_document(document).exit, 6) << file;
  }
  json document = read_vectors("wycheproof/x25519_test.json");
  corrupt(document["testGroups"][0]["tests"][5]["shared"]);
  const Ran ran = run_document(document);
  EXPECT_EQ(ran.exit, 6);
  EXPECT_EQ(ran.lines.at("vectors.json").at("mismatches"), 1);
}

TEST_F(VectorsTool, CorruptedSignatureListsAreMismatches) {
  json cctv = read_vectors("cctv/ed25519vectors.json");
  for (json& vector : cctv) {
    if (vector["flags"].is_null()) corrupt(vector["sig"]);
  }
  EXPECT_EQ(run_document(cctv).exit, 6) << "the one good signature is spoiled";
  cctv = read_vectors("cctv/ed25519vectors.json");
  for (json& vector : cctv) {
    if (vector["number"] == 7) vector["flags"] = nullptr;
  }
  EXPECT_EQ(run_document(cctv).exit, 6) << "a bad signature is called good";
  json speccheck = read_vectors("speccheck/cases.json");
  speccheck[2]["signature"] = "00";
  EXPECT_EQ(run_document(speccheck).exit, 6) << "malformed";
}

TEST_F(VectorsTool, OtherCiphersHashesAndModifiersAreSkipped) {
  json document = read_vectors("noise/snow_25519_ChaChaPoly_BLAKE2b.json");
  document["vectors"][0]["protocol_name"] = "Noise_N_25519_AESGCM_BLAKE2b";
  document["vectors"][1]["protocol_name"] = "Noise_X_448_ChaChaPoly_BLAKE2b";
  document["vectors"][2]["protocol_name"] = "Noise_XXfallback_25519_ChaChaPoly_BLAKE2b";
  Ran ran = run_document(document);
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(counts(ran.lines.at("vectors.json")), "noise 48 48 0 3 0");
  document = read_vectors("blake2/blake2b-kat.json");
  document[0]["hash"] = "blake2s";
  ran = run_document(document);
  EXPECT_EQ(counts(ran.lines.at("vectors.json")), "blake2b-kat 511 511 0 1 0");
}

}  // namespace
}  // namespace tocsin::crypto
