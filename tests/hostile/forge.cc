#include "tests/hostile/forge.h"

#include <fstream>
#include <iterator>

#include "crypto/body.h"
#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/epoch.h"
#include "protocol/feed.h"
#include "protocol/report.h"
#include "tools/founding/must.h"

namespace tocsin::hostile {

using namespace protocol;
using tools::must;

Forge::Forge(HostileHome& home, const ChannelId& channel) : home_(home), state_(home.channel(channel)) {}

Chain Forge::own_feed() {
  if (state_.feed_key == nullptr) tools::fail("the node has written nothing in that channel");
  Chain out{state_.feed_key, state_.feed_generation, {}, {}, {}};
  if (const auto record = home_.replica().log_record(out.log())) {
    out.head = record->head;
    out.head_hash = record->head_hash;
    out.epoch = record->head_epoch;
  }
  return out;
}

Chain Forge::new_feed() {
  return {std::make_shared<const crypto::SigningKey>(crypto::SigningKey::generate(home_.random())),
          state_.feed_generation + 1,
          {},
          {},
          {}};
}

crypto::EpochKey Forge::epoch_key(Epoch epoch) {
  auto key = home_.table().epoch_key(state_.genesis->pseudonym, epoch);
  if (!key) tools::fail("the home holds no key of that epoch");
  return std::move(*key);
}

Entry Forge::report(Chain& chain, const std::string& title, Epoch epoch, const crypto::EpochKey* key) {
  Report report;
  report.salt = crypto::random_fixed<ReportSalt>(home_.random());
  report.kind = ReportKind::kIncident;
  report.status = ReportStatus::kActual;
  report.author = home_.replica().own_org().id();
  report.created = home_.now();
  report.tlp = Tlp::kGreen;
  report.title = title;
  Bytes certificate;
  if (epoch != chain.epoch) {
    const FeedCertificate claim{state_.id(), report.author,    home_.replica().own_node(),
                                chain.log(), chain.generation, home_.now()};
    certificate = sign_feed_certificate(claim, home_.secrets().tier2->signing);
  }
  EntryHeader header;
  header.type = LogType::kFeed;
  header.number = chain.head.next();
  header.epoch = epoch;
  header.log = chain.log();
  header.channel = state_.genesis->pseudonym;
  header.previous = chain.head_hash;
  const BodyBinding binding(state_.id(), epoch, header.log, header.number, LogType::kFeed);
  const auto entry_key = key == nullptr ? crypto::derive_entry_key(epoch_key(epoch), binding.context())
                                        : crypto::derive_entry_key(*key, binding.context());
  const Bytes body = crypto::seal_body(
      entry_key, binding.associated(),
      encode_feed_plaintext(FeedKind::kReport, certificate, must(encode_report(report), "report")), home_.random());
  Entry out = sign_entry(header, body, *chain.key);
  follow(chain, out);
  return out;
}

void Forge::follow(Chain& chain, const Entry& last) {
  const EntryView view = last.view();
  chain.head = peek_number(view.header);
  chain.head_hash = hash_entry(view.header, view.signature);
  chain.epoch = {load_le64(&view.header[16])};
}

std::vector<Entry> Forge::control_epoch(const crypto::SigningKey& key, const LogKey& log, Number number,
                                        const EntryHash& previous, Epoch epoch) {
  ControlState told = *state_.newest;
  told.epoch = epoch;
  told.created = home_.now();
  std::vector<OrgId> members;
  for (const RosterMember& member : told.roster) members.push_back(member.org);
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = number;
  header.epoch = epoch;
  header.log = log;
  header.channel = state_.genesis->pseudonym;
  header.previous = previous;
  const auto fresh = crypto::EpochKey::random(home_.random());
  std::vector<Entry> out;
  for (const Bytes& body :
       must(make_epoch_bodies({state_.id(), epoch, log, number, previous}, fresh, encode_control_state(told),
                              home_.replica().wrap_targets(members), home_.random()),
            "epoch")) {
    out.push_back(sign_entry(header, body, key));
    header.number = header.number.next();
    header.previous = hash_entry(out.back().view().header, out.back().view().signature);
  }
  return out;
}

void save(const std::string& path, const std::vector<Entry>& entries) {
  std::ofstream file(path, std::ios::binary);
  for (const Entry& entry : entries) {
    const Bytes bytes = encode_entry(entry.view());
    std::array<std::uint8_t, 4> size;
    store_le32(size.data(), static_cast<std::uint32_t>(bytes.size()));
    file.write(reinterpret_cast<const char*>(size.data()), size.size());
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  if (!file.flush()) tools::fail("cannot write " + path);
}

std::vector<Entry> load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes all{std::istreambuf_iterator<char>(file), {}};
  std::vector<Entry> out;
  for (ByteView rest = all; rest.size() >= 4;) {
    const std::size_t size = load_le32(rest.data());
    if (rest.size() - 4 < size) tools::fail(path + " is cut");
    const EntryView view = must(decode_entry(rest.subspan(4, size)), "entry");
    out.emplace_back(view.header, view.signature, view.body);
    rest = rest.subspan(4 + size);
  }
  return out;
}

}  // namespace tocsin::hostile
