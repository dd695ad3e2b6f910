#include "node/desk/importer.h"

#include <algorithm>
#include <thread>
#include <unordered_map>

#include "node/index/codes.h"

namespace tocsin::desk {
namespace {

class ImportRun : public std::enable_shared_from_this<ImportRun> {
 public:
  ImportRun(Desk& desk, std::function<void(std::function<void()>)> post, ImportRequest request,
            std::shared_ptr<ImportProgress> progress, Done<ImportOutcome> done)
      : desk_(desk),
        post_(std::move(post)),
        request_(std::move(request)),
        progress_(std::move(progress)),
        done_(std::move(done)),
        channel_(request_.channel.value_or(desk.replica().private_channel())) {}

  void start() {
    exchange::ImportOptions options;
    options.author = desk_.replica().own_org().id();
    options.now = desk_.clock().now();
    options.tlp = request_.tlp;
    options.partial = request_.partial;
    options.file_name = request_.file_name;
    progress_->total = request_.file->size();
    // The thread owns a share of the run and ends by itself: parsing is bounded by the size of the file.
    std::thread([self = shared_from_this(), options = std::move(options)]() mutable {
      self->parse(std::move(options));
    }).detach();
  }

 private:
  void parse(exchange::ImportOptions options) {
    crypto::SystemRandom random;
    options.salt = [&random] { return crypto::random_fixed<protocol::ReportSalt>(random); };
    options.progress = [this](std::size_t bytes) {
      progress_->done = bytes;
      return true;
    };
    auto parsed = std::make_shared<exchange::ImportResult>(request_.format->parse(as_bytes(*request_.file), options));
    auto canonical = std::make_shared<std::vector<Bytes>>();
    std::optional<Error> failed;
    for (const auto& row : parsed->reports) {
      auto bytes = protocol::encode_report(row.report);
      if (!bytes) failed = bytes.error();
      canonical->push_back(bytes ? std::move(*bytes) : Bytes{});
    }
    post_([self = shared_from_this(), parsed, canonical, failed] {
      if (failed) return self->done_(*failed);
      self->parsed_ = std::move(*parsed);
      self->canonical_ = std::move(*canonical);
      self->compare();
    });
  }

  void compare() {
    outcome_.read = parsed_.read;
    outcome_.refused_count = parsed_.refused;
    outcome_.refused = parsed_.problems;
    if (!parsed_.ok() && !request_.partial) return done_(std::move(outcome_));
    desk_.feeder().when_indexed([self = shared_from_this()] { self->ask_known(0); });
  }

  void ask_known(std::size_t begin) {
    if (begin >= parsed_.reports.size()) return classify();
    const auto end = std::min(parsed_.reports.size(), begin + index::kRowKeysMax);
    auto questions = std::make_shared<std::vector<index::RowQuestion>>();
    for (std::size_t i = begin; i < end; ++i)
      questions->push_back({parsed_.reports[i].key, parsed_.reports[i].content});
    desk_.index().ask([questions](index::Index& i) { return i.known_rows(*questions); },
                      [self = shared_from_this(), begin, end](Result<std::vector<index::RowMatch>> matches) {
                        if (!matches) return self->done_(matches.error());
                        for (auto& match : *matches) {
                          match.question += begin;
                          self->matches_[match.question].push_back(std::move(match));
                        }
                        self->ask_known(end);
                      });
  }

  bool in_channel(const index::RowMatch& match) const {
    return std::find(match.channels.begin(), match.channels.end(), channel_) != match.channels.end();
  }

  // Own rows first: only their author corrects them. A partner's equal row in the same channel is the same news.
  void classify() {
    const auto own = desk_.replica().own_org().id();
    for (std::size_t i = 0; i < parsed_.reports.size(); ++i) {
      const index::RowMatch* mine = nullptr;
      bool same_elsewhere = false;
      if (const auto found = matches_.find(i); found != matches_.end()) {
        for (const auto& match : found->second) {
          if (!in_channel(match)) continue;
          if (match.author == own)
            mine = &match;
          else
            same_elsewhere |= match.same_content;
        }
      }
      if (mine && !mine->same_content && !mine->withdrawn) {
        corrections_.emplace_back(i, mine->report);
      } else if (mine || same_elsewhere) {
        ++outcome_.known;
      } else {
        fresh_.push_back(i);
      }
    }
    outcome_.fresh = fresh_.size();
    outcome_.corrected = corrections_.size();
    if (auto against = first_government()) return done_(std::move(*against));
    outcome_.done = true;
    if (request_.dry_run) return done_(std::move(outcome_));
    for (const auto i : fresh_) out_.push_back(std::move(canonical_[i]));
    load_corrections(0);
  }

  // Rule 53, for all rows at once.
  std::optional<Error> first_government() const {
    auto check = [&](std::size_t i) -> std::optional<Error> {
      const auto against = desk_.governments_against(parsed_.reports[i].report, channel_, request_.allowed);
      if (against.empty()) return std::nullopt;
      return caller_error(kGovernmentNamed, "line " + std::to_string(parsed_.reports[i].line) + " names " +
                                                against.front().country + ", and " + against.front().name +
                                                ", a government of it, reads that channel; say --allow-government " +
                                                against.front().country + " if that is meant");
    };
    for (const auto i : fresh_)
      if (auto error = check(i)) return error;
    for (const auto& [i, report] : corrections_)
      if (auto error = check(i)) return error;
    return std::nullopt;
  }

  void load_corrections(std::size_t n) {
    if (n >= corrections_.size()) return append(0);
    desk_.load(corrections_[n].second, [self = shared_from_this(), n](Result<Loaded> loaded) {
      if (!loaded) return self->done_(loaded.error());
      auto& desk = self->desk_;
      auto& row = self->parsed_.reports[self->corrections_[n].first];
      auto correction = reports::make_correction(
          {loaded->found.row.id, loaded->found.row.author, &loaded->original}, loaded->state, std::move(row.report),
          {crypto::random_fixed<protocol::ReportSalt>(desk.random()),
           crypto::random_fixed<protocol::ReportSalt>(desk.random()), desk.replica().own_org().id(), desk.clock().now(),
           "changed by its publisher"});
      if (!correction) return self->done_(correction.error());
      auto bytes = protocol::encode_report(*correction);
      if (!bytes) return self->done_(bytes.error());
      self->out_.push_back(std::move(*bytes));
      self->load_corrections(n + 1);
    });
  }

  void append(std::size_t begin) {
    progress_->total = out_.size();
    progress_->done = begin;
    if (begin >= out_.size())
      return desk_.feeder().when_indexed([self = shared_from_this()] { self->done_(std::move(self->outcome_)); });
    std::vector<protocol::FeedItem> items;
    std::size_t bytes = 0, end = begin;
    while (end < out_.size() && items.size() < kImportBatchRowsMax && bytes < kImportBatchBytesMax) {
      bytes += out_[end].size();
      items.push_back({protocol::FeedKind::kReport, out_[end++]});
    }
    auto queued = desk_.replica().append(
        channel_, items, [self = shared_from_this(), end](Result<std::vector<protocol::EntryRef>> refs) {
          if (!refs) return self->done_(refs.error());
          self->append(end);
        });
    if (!queued) done_(queued.error());
  }

  Desk& desk_;
  std::function<void(std::function<void()>)> post_;
  ImportRequest request_;
  std::shared_ptr<ImportProgress> progress_;
  Done<ImportOutcome> done_;
  protocol::ChannelId channel_;
  exchange::ImportResult parsed_;
  std::vector<Bytes> canonical_;
  std::unordered_map<std::size_t, std::vector<index::RowMatch>> matches_;
  std::vector<std::size_t> fresh_;
  std::vector<std::pair<std::size_t, protocol::ReportId>> corrections_;
  std::vector<Bytes> out_;
  ImportOutcome outcome_;
};

}  // namespace

void run_import(Desk& desk, std::function<void(std::function<void()>)> post, ImportRequest request,
                std::shared_ptr<ImportProgress> progress, Done<ImportOutcome> done) {
  std::make_shared<ImportRun>(desk, std::move(post), std::move(request), std::move(progress), std::move(done))->start();
}

}  // namespace tocsin::desk
