#include "tools/bench/local.h"

#include <sodium.h>

#include <algorithm>

#include "crypto/body.h"
#include "node/index/index.h"
#include "protocol/entry_chunk.h"
#include "protocol/report.h"
#include "tools/bench/bench_node.h"
#include "tools/bench/parts.h"

namespace tocsin::bench {
namespace {

using namespace protocol;

constexpr std::size_t kChunkBytes = 1024 * 1024;
constexpr std::size_t kQueries = 51;  // odd: the median is one of them

void append_all(BenchNode& node, const std::vector<Bytes>& payloads, FeedKind kind) {
  for (std::size_t begin = 0; begin < payloads.size(); begin += kBatch) {
    const auto end = std::min(payloads.size(), begin + kBatch);
    must(node.wait<std::vector<EntryRef>>([&, begin, end](Done<std::vector<EntryRef>> done) {
      std::vector<FeedItem> items;
      for (auto i = begin; i < end; ++i) items.push_back({kind, payloads[i]});
      must(node.replica().append(node.replica().private_channel(), items, done), "append");
    }),
         "append");
  }
}

// Reports with a hundred words each, like those of the GED.
std::vector<Bytes> make_reports(const OrgId& author, std::size_t count) {
  static constexpr const char* kWords[] = {"village",    "soldiers", "burnt",  "river",   "crossing",  "families",
                                           "armed",      "group",    "attack", "market",  "monastery", "road",
                                           "checkpoint", "reported", "killed", "injured", "houses",    "township",
                                           "border",     "camp",     "convoy", "aid",     "clashes",   "night"};
  static constexpr const char* kCountries[] = {"MMR", "BGD", "SDN", "COD", "ETH", "SYR", "MLI", "NGA"};
  std::vector<Bytes> out;
  out.reserve(count);
  crypto::SystemRandom random;
  for (std::size_t i = 0; i < count; ++i) {
    Report report;
    random.fill(report.salt.mutable_view());
    report.kind = ReportKind::kIncident;
    report.status = ReportStatus::kActual;
    report.author = author;
    report.created = report.observed_from.emplace(Time{1'500'000'000'000 + static_cast<std::int64_t>(i) * 60'000});
    report.tlp = Tlp::kGreen;
    report.severity = static_cast<Severity>(1 + i % 3);
    report.urgency = Urgency::kPast;
    report.language = "en";
    Place place;
    place.iso3 = kCountries[i % std::size(kCountries)];
    place.name = "Place " + std::to_string(i % 977);
    place.point = Point{20 + static_cast<double>(i % 500) / 100, 92 + static_cast<double>(i % 700) / 100};
    report.places.push_back(place);
    report.title = "Incident " + std::to_string(i) + " near " + place.name;
    for (std::size_t w = 0; w < 100; ++w) {
      report.text += kWords[(i * 31 + w * 7 + w * w) % std::size(kWords)];
      report.text += ' ';
    }
    if (i + 1 == count) report.text += "zanzibar";
    report.details = IncidentDetails{};
    out.push_back(must(encode_report(report), "report"));
  }
  return out;
}

template <class Act>
double median_ms(Act act) {
  std::vector<double> times;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const double start = seconds_now();
    act(i);
    times.push_back((seconds_now() - start) * 1e3);
  }
  std::nth_element(times.begin(), times.begin() + kQueries / 2, times.end());
  return times[kQueries / 2];
}

struct Filled {
  std::unique_ptr<BenchNode> node;
  std::unique_ptr<index::Index> index;
  double seconds = 0;  // of opening and indexing
};

Filled fill_index(const std::string& folder, std::size_t entries) {
  Filled out;
  out.node = std::make_unique<BenchNode>(folder + "/node", "Bench");
  out.node->run_in_background();
  append_all(*out.node, make_reports(out.node->replica().own_org().id(), entries), FeedKind::kReport);
  out.index = must(index::Index::create(out.node->table()), "index");
  EntryChunk chunk;
  Arrival cursor;
  const auto newest = out.node->store().newest_arrival();
  while (cursor < newest) {
    chunk.clear();
    chunk.after = chunk.last = cursor;
    chunk.newest = newest;
    must(out.node->store().read_arrivals(cursor, kChunkBytes,
                                         [&](const StoredEntry& entry) { return chunk.add(entry), true; }),
         "read");
    const double start = seconds_now();
    const auto outcome = must(out.index->feed(chunk), "feed");
    out.seconds += seconds_now() - start;
    cursor = outcome.cursor;
  }
  return out;
}

}  // namespace

nlohmann::ordered_json bench_append(const std::string& folder, std::size_t entries, std::size_t size) {
  BenchNode node(folder + "/node", "Bench");
  node.run_in_background();
  std::vector<Bytes> payloads(std::min<std::size_t>(entries, 10'000), Bytes(size));
  for (auto& payload : payloads) randombytes_buf(payload.data(), payload.size());
  const double start = seconds_now();
  for (std::size_t done = 0; done < entries; done += payloads.size()) append_all(node, payloads, FeedKind{0x7f00});
  const double rate = static_cast<double>(entries) / (seconds_now() - start);
  // The bound: one signature, one seal, one durable append for each.
  const auto body = crypto::sealed_body_size(size + 6);
  const auto parts = measure_parts(folder, entries, 152 + 64 + body, body, body);
  crypto::SystemRandom random;
  const auto key = crypto::SigningKey::generate(random);
  Bytes header(152);
  const double sign_start = seconds_now();
  for (int i = 0; i < 5000; ++i) key.sign(crypto::kLabelEntry, {header});
  const double sign_us = (seconds_now() - sign_start) * 1e6 / 5000;
  const double bound = 1e6 / (sign_us + parts.blake2b_us + parts.seal_open_us / 2);
  return {{"entries", entries},
          {"size", size},
          {"entries_per_s", rate},
          {"bound_entries_per_s", bound},
          {"ratio", rate / bound},
          {"parts",
           {{"sign_us", sign_us},
            {"blake2b_us", parts.blake2b_us},
            {"seal_us", parts.seal_open_us / 2},
            {"lmdb_us", parts.lmdb_us}}}};
}

nlohmann::ordered_json bench_open(const std::string& folder, std::size_t entries) {
  auto filled = fill_index(folder, entries);
  // Decrypting alone.
  EntryOpener opener(filled.node->table());
  double seconds = 0;
  std::size_t opened = 0;
  for (Arrival cursor; cursor < filled.node->store().newest_arrival();) {
    must(filled.node->store().read_arrivals(cursor, kChunkBytes,
                                            [&](const StoredEntry& entry) {
                                              cursor = entry.arrival;
                                              const double start = seconds_now();
                                              opened += opener.open(entry.entry).ok();
                                              seconds += seconds_now() - start;
                                              return true;
                                            }),
         "read");
  }
  const auto stats = must(filled.index->stats(), "stats");
  return {{"entries", entries},
          {"open_per_s", static_cast<double>(opened) / seconds},
          {"index_per_s", static_cast<double>(entries) / filled.seconds},
          {"index_bytes", stats.bytes},
          {"rss_anon_kib", rss_anon_kib()}};
}

nlohmann::ordered_json bench_query(const std::string& folder, std::size_t entries) {
  auto filled = fill_index(folder, entries);
  auto& index = *filled.index;
  index::ReportQuery list, search, filter, count;
  search.text = "zanzibar";
  filter.countries = {"MMR"};
  filter.severity_min = Severity::kSevere;
  const double list_ms = median_ms([&](std::size_t) { must(index.list(list), "list"); });
  auto deep = list;
  const double page_ms = median_ms([&](std::size_t) { deep.after = must(index.list(deep), "list").next; });
  const double search_ms = median_ms([&](std::size_t) { must(index.list(search), "search"); });
  const double filter_ms = median_ms([&](std::size_t) { must(index.list(filter), "filter"); });
  const double count_ms = median_ms([&](std::size_t) { must(index.count(count), "count"); });
  return {{"entries", entries},
          {"list_50_ms", list_ms},
          {"next_page_ms", page_ms},
          {"search_rare_ms", search_ms},
          {"filter_ms", filter_ms},
          {"count_ms", count_ms},
          {"found", must(index.list(search), "search").rows.size()}};
}

}  // namespace tocsin::bench
