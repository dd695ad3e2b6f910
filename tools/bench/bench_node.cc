#include "tools/bench/bench_node.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace tocsin::bench {
namespace {

struct Founded {
  std::vector<protocol::Entry> log;
  protocol::NodeId node;
};

Founded found(const std::string& name, const protocol::NodeSecrets& secrets, crypto::Random& random) {
  const auto root = crypto::SigningKey::generate(random), next = crypto::SigningKey::generate(random);
  const protocol::RootSigner signer[] = {{0, &root}};
  protocol::NewOrg org{name,    protocol::OrgKind::kNgo,  "BGD",
                       "bench", {{root.verify_key()}, 1}, protocol::RootSet{{next.verify_key()}, 1}.commitment(),
                       {1}};
  auto genesis = must(protocol::make_genesis(org, signer, random), "genesis");
  crypto::Verifier verifier;
  const auto log = must(protocol::OrgLog::from_genesis(genesis.view(), verifier), "genesis");
  protocol::NodeCertificate certificate;
  certificate.org = log.id();
  random.fill(certificate.node_random);
  certificate.first_signing = certificate.signing = secrets.signing.verify_key();
  certificate.transport = secrets.transport.public_key();
  certificate.encryption = secrets.encryption.public_key();
  certificate.node = protocol::make_node_id(log.id(), certificate.node_random, certificate.first_signing);
  certificate.issued = {1};
  certificate.expires = {4'000'000'000'000};
  certificate.name = name;
  auto certify = log.make_certify(certificate, secrets.signing, {1}, signer);
  return {{genesis, certify}, certificate.node};
}

}  // namespace

void fail(const std::string& text) {
  std::fprintf(stderr, "error: %s\n", text.c_str());
  std::_Exit(1);
}

double seconds_now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

std::uint64_t rss_anon_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10);
  return 0;
}

BenchNode::BenchNode(const std::string& folder, const std::string& name) {
  home_ = std::make_unique<store::Home>(must(store::Home::create(folder), "home"));
  must(home_->complete(), "home");
  store_ = must(store::Store::create(*home_, crypto::StoreKey::random(random_), loop_.poster()), "store");
  secrets_ = std::make_unique<protocol::NodeSecrets>(protocol::NodeSecrets{crypto::SigningKey::generate(random_),
                                                                           crypto::TransportKeyPair::generate(random_),
                                                                           crypto::EncryptionKeyPair::generate(random_),
                                                                           {},
                                                                           protocol::ReadingKey::random(random_)});
  engine::EngineConfig config;
  config.listen = {"127.0.0.1:0"};
  config.dial = false;
  {
    const auto founded = found(name, *secrets_, random_);
    protocol::ReadingTable table;
    engine::SystemClock clock;
    protocol::Replica replica(*store_, clock, random_, *secrets_, table);
    bool made = false;
    must(replica.create(founded.log, founded.node,
                        [&](Result<protocol::ChannelId> channel) {
                          must(std::move(channel), "private channel");
                          made = true;
                          loop_.quit();
                        }),
         "create");
    std::thread runner([this] { loop_.run(); });
    runner.join();
    if (!made) fail("the store did not answer");
  }
  engine_ = std::make_unique<engine::Engine>(loop_, *store_, *secrets_, table_, random_, log_, std::move(config));
  must(engine_->start(), "engine");
}

void BenchNode::run_in_background() {
  thread_ = std::make_unique<std::thread>([this] { loop_.run(); });
}

BenchNode::~BenchNode() {
  if (thread_) {
    engine_->stop();
    thread_->join();
  }
  store_->flush();
  engine_.reset();
  store_->close();
}

}  // namespace tocsin::bench
