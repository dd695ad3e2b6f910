// Figures, not a test: run by hand with
//   --gtest_also_run_disabled_tests --gtest_filter='Bench.*'
// on a build with optimisation. REPORTS in the environment says how many (default 100,000).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

long status_kib(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::atol(line.c_str() + key.size() + 1);
  }
  return 0;
}

// Words as frequent as in a language: rank by rank rarer.
class Speech {
 public:
  Speech() {
    for (int i = 0; i < 30'000; ++i) {
      std::string word;
      for (std::uint64_t k = 3 + next() % 8; k > 0; --k)
        word += static_cast<char>('a' + std::min(next() % 26, next() % 26));
      words_.push_back(word);
      total_ += 1.0 / (i + 2.7);
      sums_.push_back(total_);
    }
  }
  std::uint64_t next() { return engine_(); }
  std::string text(int words) {
    std::string out;
    for (int i = 0; i < words; ++i) {
      const double at = std::uniform_real_distribution<>(0, total_)(engine_);
      out += words_[static_cast<std::size_t>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin())] + " ";
    }
    return out;
  }

 private:
  std::mt19937_64 engine_{5};
  std::vector<std::string> words_;
  std::vector<double> sums_;
  double total_ = 0;
};

Report ged_like(World& world, Speech& speech, int n) {
  Report out = world.blank(1);
  for (auto& byte : out.salt.mutable_view()) byte = static_cast<std::uint8_t>(speech.next());
  out.observed_from = Time{600'000'000'000 + static_cast<std::int64_t>(speech.next() % 900'000'000) * 1000};
  out.observed_to = Time{out.observed_from->ms + 86'399'000};
  out.severity = static_cast<Severity>(1 + speech.next() % 3);
  out.urgency = Urgency::kPast;
  out.certainty = Certainty::kObserved;
  Place place;
  const char* countries[] = {"MMR", "BGD", "SDN", "COD", "SYR", "AFG", "IND", "NGA"};
  place.iso3 = countries[speech.next() % 8];
  place.admin1 = "Shan State";
  place.admin2 = "Laukkaing District";
  place.name = "Laukkaing Town";
  place.point = Point{20.0 + static_cast<double>(speech.next() % 5'000'000) / 1e6,
                      92.0 + static_cast<double>(speech.next() % 5'000'000) / 1e6};
  out.places.push_back(place);
  out.title = "State-based violence: Government of Myanmar (Burma) - MNDAA, Laukkaing Town";
  out.text = speech.text(100);
  IncidentDetails details;
  details.actors = {{"Government of Myanmar (Burma)", ActorRole::kSideA}, {"MNDAA", ActorRole::kSideB}};
  details.conflict = "Myanmar (Burma): Kokang";
  details.deaths_best = 3;
  out.details = details;
  Provenance provenance;
  provenance.publisher = "UCDP GED";
  provenance.dataset = "GED 19.1";
  provenance.row_id = std::to_string(200'000 + n);
  provenance.citation = speech.text(10);
  provenance.licence = "CC BY 4.0";
  out.provenance = provenance;
  return out;
}

template <class F>
double median_ms(F work) {
  std::vector<double> times;
  for (int i = 0; i < 15; ++i) {
    const auto start = Clock::now();
    work();
    times.push_back(seconds_since(start) * 1000);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void print_queries(Index& index, const ReportId& last) {
  const auto figure = [&](const char* name, auto change) {
    ReportQuery query;
    change(query);
    std::uint64_t found = 0;
    const double list = median_ms([&] { must(index.list(query)); });
    const double count = median_ms([&] { found = must(index.count(query)); });
    std::printf("  %-44s list of 50 %7.2f ms, count %7.2f ms (%lu)\n", name, list, count, found);
  };
  figure("all", [](ReportQuery&) {});
  figure("country", [](ReportQuery& q) { q.countries = {"MMR"}; });
  figure("nothing passes (two filters)",
         [](ReportQuery& q) { q.countries = {"FRA"}, q.severity_min = Severity::kSevere; });
  figure("observed in one month",
         [](ReportQuery& q) { q.since = Time{900'000'000'000}, q.until = Time{902'600'000'000}; });
  figure("near 50 km", [](ReportQuery& q) { q.near = Near{{22, 94}, 50}; });
  figure("a common word", [](ReportQuery& q) { q.text = "myanmar"; });
  figure("a common word and a filter that none passes",
         [](ReportQuery& q) { q.text = "myanmar", q.countries = {"FRA"}; });
  figure("a beginning of three letters", [](ReportQuery& q) { q.text = "aba"; });
  figure("row id of one report", [](ReportQuery& q) { q.text = "200777"; });
  InboxQuery inbox;
  inbox.own = org(9);
  inbox.now = Time{610'000'000'000};  // everything is in it
  std::printf("  %-44s page of 50 %7.2f ms\n", "inbox, all reports in it",
              median_ms([&] { must(index.inbox(inbox)); }));
  std::printf("  %-44s            %7.2f ms\n", "summary", median_ms([&] { must(index.summary()); }));
  std::printf("  %-44s            %7.3f ms\n", "resolve and find",
              median_ms([&] { must(index.find(must(index.resolve(to_hex(last.view()).substr(0, 8))))); }));
}

TEST(Bench, DISABLED_bulk_query_snapshot) {
  const char* given = std::getenv("REPORTS");
  const int count = given ? std::atoi(given) : 100'000;
  constexpr int kChunk = 600;  // about 1 MiB
  World world;
  const auto channel = world.channel(1);
  Speech speech;
  auto index = world.make_index();
  const long before = status_kib("RssAnon");
  double cpu = 0, worst = 0;
  ReportId last;
  std::uint64_t bytes = 0, fed = 0;
  // Made and fed chunk by chunk, so that what is measured at the end is the index alone.
  for (int at = 0; at < count; at += kChunk) {
    for (int i = at; i < std::min(count, at + kChunk); ++i) last = world.add(channel, ged_like(world, speech, i));
    const auto chunk = world.take_new();
    bytes += chunk->bytes.size();
    const double start = cpu_seconds();
    fed += must(index->feed(*chunk)).reports;
    worst = std::max(worst, cpu_seconds() - start);
    cpu += cpu_seconds() - start;
  }
  const IndexStats stats = must(index->stats());
  std::printf("%lu reports, %.0f bytes an entry: %.0f reports/s of CPU time, longest chunk %.0f ms\n", fed,
              static_cast<double>(bytes) / count, count / cpu, worst * 1000);
  std::printf("database %.1f MB, RssAnon +%.1f MiB\n", static_cast<double>(stats.bytes) / 1e6,
              static_cast<double>(status_kib("RssAnon") - before) / 1024);
  print_queries(*index, last);

  const auto path = std::filesystem::temp_directory_path() / ("tocsin-bench-" + std::to_string(::getpid()));
  DiskSnapshotFile file(path);
  const SnapshotContext context{*ReadingKey::from(Bytes(32, 1)), {}, "bench"};
  auto start = Clock::now();
  must(index->save(file, context, world.random));
  std::printf("snapshot saved in %.2f s, %.1f MB\n", seconds_since(start),
              static_cast<double>(std::filesystem::file_size(path)) / 1e6);
  index.reset();
  const long empty = status_kib("RssAnon");
  index = world.make_index();
  start = Clock::now();
  must(index->load(file, context, Arrival{stats.cursor}));
  std::printf("snapshot loaded in %.2f s, RssAnon +%.1f MiB, highest RSS of all %.1f MiB\n", seconds_since(start),
              static_cast<double>(status_kib("RssAnon") - empty) / 1024,
              static_cast<double>(status_kib("VmHWM")) / 1024);
  print_queries(*index, last);
  must(file.remove());
}

}  // namespace
}  // namespace tocsin::index::test
