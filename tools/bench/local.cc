#include "tools/bench/local.h"

#include <sodium.h>

#include <algorithm>
#include <limits>

#include "crypto/body.h"
#include "node/index/index.h"
#include "node/index/projection.h"
#include "node/index/schema.h"
#include "node/reports/rank.h"
#include "protocol/entry_chunk.h"
#include "protocol/report.h"
#include "tools/bench/bare_index.h"
#include "tools/bench/bench_node.h"
#include "tools/bench/parts.h"

namespace tocsin::bench {
namespace {

using namespace protocol;

constexpr std::size_t kChunkBytes = 1024 * 1024;

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
  const auto stats = must(filled.index->stats(), "stats");
  const auto memory_kib = rss_anon_kib();
  // Decrypting alone.
  EntryOpener opener(filled.node->table());
  double seconds = 0;
  std::size_t opened = 0, body_bytes = 0;
  std::vector<std::string> words;
  for (Arrival cursor; cursor < filled.node->store().newest_arrival();) {
    must(filled.node->store().read_arrivals(
             cursor, kChunkBytes,
             [&](const StoredEntry& entry) {
               cursor = entry.arrival;
               const double start = seconds_now();
               const auto content = opener.open(entry.entry);
               seconds += seconds_now() - start;
               if (!content) return true;
               ++opened;
               body_bytes += entry.entry.body.size();
               if (content->kind == FeedKind::kReport)
                 words.push_back(reports::search_text(must(decode_report(content->payload), "report")));
               return true;
             }),
         "read");
  }
  const auto opening = measure_opening(opened, body_bytes / opened);
  const double insert_us = BareIndex(*filled.index, folder).insert_us(words);
  const double open_rate = static_cast<double>(opened) / seconds,
               index_rate = static_cast<double>(entries) / filled.seconds;
  const double open_bound = 1e6 / opening.sum_us(), index_bound = 1e6 / (opening.sum_us() + insert_us);
  return {
      {"entries", entries},
      {"open_per_s", open_rate},
      {"bound_open_per_s", open_bound},
      {"ratio_open", open_rate / open_bound},
      {"index_per_s", index_rate},
      {"bound_index_per_s", index_bound},
      {"ratio_index", index_rate / index_bound},
      {"parts", {{"keys_us", opening.keys_us}, {"decrypt_us", opening.decrypt_us}, {"sqlite_insert_us", insert_us}}},
      {"index_bytes", stats.bytes},
      {"rss_anon_kib", memory_kib}};
}

namespace {

// Rows of a list as SQLite gives them in one statement; the last place is the row before which they begin.
std::string bare_list(const std::string& where) {
  return "SELECT r.row, f.id, r.kind, r.status, r.author, r.created, r.seen_from, r.seen_to, r.shape, r.country, "
         "f.place, r.lat, r.lon, r.tlp, r.severity, r.urgency, r.certainty, r.likelihood, r.confidence, f.title, "
         "r.flags, r.content, r.channel, r.log, r.number FROM report r CROSS JOIN face f ON f.row = r.row WHERE "
         "(r.flags & " +
         std::to_string(index::kFlagAct) + ") = 0" + where + " AND r.row < ? ORDER BY r.row DESC LIMIT " +
         std::to_string(index::kPageDefault);
}

// A figure with its bound; the ratio is the bound's share of it, so that 1 is as good as the bare statement.
void add_query(nlohmann::ordered_json& out, const std::string& name, double ms, double bound_ms) {
  out[name + "_ms"] = ms;
  out["bound_" + name + "_ms"] = bound_ms;
  out["ratio_" + name] = bound_ms / ms;
}

void same_work(const char* what, std::uint64_t ours, std::uint64_t bare) {
  if (ours != bare)
    fail(std::string(what) + ": the index found " + std::to_string(ours) + ", the bare statement " +
         std::to_string(bare));
}

}  // namespace

nlohmann::ordered_json bench_query(const std::string& folder, std::size_t entries) {
  auto filled = fill_index(folder, entries);
  auto& index = *filled.index;
  BareIndex bare(index, folder);
  constexpr auto kFromNewest = std::numeric_limits<std::int64_t>::max();
  nlohmann::ordered_json out{{"entries", entries}};

  index::ReportQuery list, search, filter, count;
  std::size_t rows = 0;
  const double list_ms = median_ms([&](std::size_t) { rows = must(index.list(list), "list").rows.size(); });
  const auto bare_all = bare.ask(bare_list(""), {}, {kFromNewest});
  same_work("list", rows, bare_all.rows);
  add_query(out, "list_50", list_ms, bare_all.ms);

  const double page_ms = median_ms([&](std::size_t) { list.after = must(index.list(list), "list").next; });
  add_query(out, "next_page", page_ms, bare.ask(bare_list(""), {}, {kFromNewest}, true).ms);

  search.text = "zanzibar";
  std::size_t found = 0;
  const double search_ms = median_ms([&](std::size_t) { found = must(index.list(search), "search").rows.size(); });
  const auto bare_search = bare.ask("SELECT rowid FROM words WHERE words MATCH ?", {"\"zanzibar\" *"}, {});
  same_work("search", found, bare_search.rows);
  add_query(out, "search_rare", search_ms, bare_search.ms);

  filter.countries = {"MMR"};
  filter.severity_min = Severity::kSevere;
  const double filter_ms = median_ms([&](std::size_t) { rows = must(index.list(filter), "filter").rows.size(); });
  const auto bare_filter = bare.ask(bare_list(" AND r.country = ? AND r.severity IN (?, ?)"), {},
                                    {index::pack_country("MMR"), static_cast<std::int64_t>(Severity::kSevere),
                                     static_cast<std::int64_t>(Severity::kExtreme), kFromNewest});
  same_work("filter", rows, bare_filter.rows);
  add_query(out, "filter", filter_ms, bare_filter.ms);

  std::uint64_t counted = 0;
  const double count_ms = median_ms([&](std::size_t) { counted = must(index.count(count), "count"); });
  const auto bare_count =
      bare.ask("SELECT count(*) FROM report r WHERE (r.flags & ?) = 0", {}, {std::int64_t{index::kFlagAct}});
  same_work("count", counted, static_cast<std::uint64_t>(bare_count.first_cell));
  add_query(out, "count", count_ms, bare_count.ms);
  out["found"] = found;
  return out;
}

}  // namespace tocsin::bench
