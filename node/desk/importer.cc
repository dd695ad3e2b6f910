#include "node/desk/importer.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <unordered_map>

#include "node/index/codes.h"

namespace tocsin::desk {
namespace {

using Post = std::function<void(std::function<void()>)>;

class ImportRun : public std::enable_shared_from_this<ImportRun> {
 public:
  ImportRun(Desk& desk, Post post, std::shared_ptr<std::atomic<bool>> stop, std::shared_ptr<bool> busy,
            ImportRequest request, std::shared_ptr<ImportProgress> progress, Done<ImportOutcome> done)
      : desk_(desk),
        post_(std::move(post)),
        stop_(std::move(stop)),
        busy_(std::move(busy)),
        request_(std::move(request)),
        progress_(std::move(progress)),
        done_(std::move(done)),
        channel_(request_.channel.value_or(desk.replica().private_channel())) {
    *busy_ = true;
  }
  ~ImportRun() { release(); }

  // The thread's share of the run goes with what it posts, so that the run ends on the loop.
  std::thread start() {
    exchange::ImportOptions options;
    options.author = desk_.replica().own_org().id();
    options.now = desk_.clock().now();
    options.tlp = request_.tlp;
    options.partial = request_.partial;
    options.file_name = request_.file_name;
    progress_->total = request_.file->size();
    return std::thread([self = shared_from_this(), options = std::move(options)]() mutable {
      const auto post = self->post_;
      auto parsed = std::make_shared<Result<exchange::ImportResult>>(self->parse(std::move(options)));
      post([self = std::move(self), parsed = std::move(parsed)] { self->take(std::move(*parsed)); });
    });
  }

 private:
  void release() {
    if (busy_) *std::exchange(busy_, nullptr) = false;
  }
  void finish(Result<ImportOutcome> outcome) {
    release();
    done_(std::move(outcome));
  }

  // On the run's own thread.
  Result<exchange::ImportResult> parse(exchange::ImportOptions options) const {
    crypto::SystemRandom random;
    options.salt = [&random] { return crypto::random_fixed<protocol::ReportSalt>(random); };
    options.progress = [this](std::size_t bytes) {
      progress_->done = bytes;
      return !*stop_;
    };
    try {
      return request_.format->parse(as_bytes(*request_.file), options);
    } catch (const std::bad_alloc&) {
      return environment_error(kImportMemory, "there is not enough memory for this file; split it");
    } catch (const std::exception&) {
      return internal_error(Code{"import_failed"}, "this file met a fault of the program; please report it");
    }
  }

  void take(Result<exchange::ImportResult> parsed) {
    if (!parsed) return finish(parsed.error());
    if (*stop_) return finish(stopping());
    parsed_ = std::move(*parsed);
    outcome_.read = parsed_.read;
    outcome_.refused_count = parsed_.refused;
    outcome_.refused = parsed_.problems;
    if (!parsed_.ok() && !request_.partial) return refuse_all();
    // An index that is behind would take known rows for new ones.
    const auto newest = desk_.replica().newest_arrival();
    desk_.feeder().when_indexed([self = shared_from_this(), newest] {
      if (self->desk_.feeder().cursor() < newest)
        return self->finish(environment_error(index::kIndexStopped,
                                              "the index does not hold everything that is stored, so that known rows "
                                              "cannot be told from new ones; see tocsin doctor"));
      self->ask_known(0);
    });
  }

  static Error stopping() { return environment_error(kStopping, "the node is being stopped"); }

  void ask_known(std::size_t begin) {
    if (begin >= parsed_.reports.size()) return classify();
    const auto end = std::min(parsed_.reports.size(), begin + index::kRowKeysMax);
    auto questions = std::make_shared<std::vector<index::RowQuestion>>();
    for (std::size_t i = begin; i < end; ++i)
      questions->push_back({parsed_.reports[i].key, parsed_.reports[i].content});
    desk_.index().ask([questions](index::Index& i) { return i.known_rows(*questions); },
                      [self = shared_from_this(), begin, end](Result<std::vector<index::RowMatch>> matches) {
                        if (!matches) return self->finish(matches.error());
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
    // Who is asked about below; append() looks whether somebody has come.
    channel_readers_ = desk_.readers_of(channel_);
    to_ask_about_ = channel_readers_;
    std::erase_if(to_ask_about_, [&](const auto& reader) { return reader.org == desk_.replica().own_org().id(); });
    readers_ = readers();
    if (auto may = desk_.replica().may_append(channel_); !may) return finish(may.error());
    const auto own = desk_.replica().own_org().id();
    for (std::size_t i = 0; i < parsed_.reports.size(); ++i) {
      const index::RowMatch* mine = nullptr;
      const index::RowMatch* mine_in_another = nullptr;
      bool same_elsewhere = false;
      if (const auto found = matches_.find(i); found != matches_.end()) {
        for (const auto& match : found->second) {
          if (!in_channel(match)) {
            if (match.author == own && match.same_content && !match.withdrawn) mine_in_another = &match;
            continue;
          }
          if (match.author == own)
            mine = &match;
          else
            same_elsewhere |= match.same_content;
        }
      }
      if (mine && !mine->same_content && !mine->withdrawn) {
        corrections_.push_back({i, mine->report});
      } else if (mine || same_elsewhere) {
        ++outcome_.known;
      } else if (mine_in_another) {
        elsewhere_.push_back({i, mine_in_another->report});
      } else {
        fresh_.push_back(i);
      }
    }
    std::erase_if(fresh_, [&](std::size_t row) { return !goes(row); });
    std::erase_if(corrections_, [&](const Known& known) { return !goes(known.row); });
    load_corrections(0);
  }

  // What may not go where the channel's readers would see it is refused by its place (rules 52, 53).
  bool goes(std::size_t row) {
    const auto& report = parsed_.reports[row].report;
    auto countries = reports::named_countries(report);
    for (const auto& country : request_.allowed) countries.erase(country);
    return goes(row, desk_.may_be_read(report, channel_readers_),
                reports::government_warning(countries, to_ask_about_));
  }
  bool goes(std::size_t row, const Result<void>& may, const std::vector<reports::Reader>& against) {
    if (may && against.empty()) return true;
    const auto why = may ? government_error(against) : may.error();
    const auto& at = parsed_.reports[row];
    ++outcome_.refused_count;
    if (may) ++outcome_.refused_for_governments;
    if (outcome_.refused.size() < exchange::kImportProblemsMax)
      outcome_.refused.push_back({at.line, at.column, why.code, why.detail});
    for (const auto& reader : against) {
      const auto same = [&](const auto& g) { return g.org == reader.org && g.country == reader.country; };
      if (std::ranges::none_of(outcome_.governments, same)) outcome_.governments.push_back(reader);
    }
    return false;
  }

  void load_corrections(std::size_t n) {
    if (n >= corrections_.size()) return load_shared(0);
    desk_.load(corrections_[n].report, [self = shared_from_this(), n](Result<Loaded> loaded) {
      if (!loaded) return self->finish(loaded.error());
      auto& desk = self->desk_;
      auto& row = self->parsed_.reports[self->corrections_[n].row];
      auto correction = reports::make_correction(
          {loaded->found.row.id, loaded->found.row.author, &loaded->original}, loaded->state, row.report,
          {crypto::random_fixed<protocol::ReportSalt>(desk.random()),
           crypto::random_fixed<protocol::ReportSalt>(desk.random()), desk.replica().own_org().id(), desk.clock().now(),
           "changed by its publisher"});
      if (!correction) return self->finish(correction.error());
      auto bytes = protocol::encode_report(*correction);
      if (!bytes) return self->finish(bytes.error());
      const bool two = desk.needs_two(*loaded, self->channel_) || desk.needs_two(row.report, self->channel_);
      const bool alert = loaded->original.kind == protocol::ReportKind::kAlert;
      std::vector<protocol::ChannelId> asked;
      if (two && !alert) asked.push_back(self->channel_);
      const auto records = desk.ask_again(*loaded, protocol::report_id(*bytes), asked, self->request_.by);
      // What waits in the private channel is corrected there beside its record.
      const bool at_home = self->channel_ == desk.replica().private_channel();
      if (asked.empty() && (records.empty() || !at_home)) self->after_fresh_.push_back(*bytes);
      if (!records.empty()) self->wait(std::move(*bytes), records);
      self->load_corrections(n + 1);
    });
  }

  // A row that is known from another channel is the same report here: it goes as it is, with its corrections.
  void load_shared(std::size_t n) {
    if (n >= elsewhere_.size()) return decide();
    desk_.load(elsewhere_[n].report, [self = shared_from_this(), n](Result<Loaded> loaded) {
      if (!loaded) return self->finish(loaded.error());
      const auto& desk = self->desk_;
      if (self->goes(self->elsewhere_[n].row, desk.may_share(*loaded, self->channel_),
                     desk.governments_against(shared_countries(*loaded), self->channel_, self->request_.allowed))) {
        if (desk.needs_two(*loaded, self->channel_)) {
          self->wait({}, desk.ask_to_share(*loaded, self->channel_, self->request_.by));
          return self->load_shared(n + 1);
        }
        auto bytes = shared_bytes(*loaded);
        if (!bytes) return self->finish(bytes.error());
        std::move(bytes->begin(), bytes->end(), std::back_inserter(self->after_fresh_));
        self->shared_ends_.push_back(self->after_fresh_.size());
      }
      self->load_shared(n + 1);
    });
  }

  void decide() {
    if (outcome_.refused_count > 0 && !request_.partial) return refuse_all();
    outcome_.fresh = fresh_.size();
    outcome_.corrected = corrections_.size();
    outcome_.shared = shared_ends_.size();
    outcome_.known += outcome_.shared;
    outcome_.done = true;
    for (const auto row : fresh_) {
      auto& report = parsed_.reports[row];
      if (desk_.needs_two(report.report, channel_)) {
        const auto id = protocol::report_id(report.canonical);
        wait(std::move(report.canonical), {desk_.ask_second(id, std::nullopt, {channel_}, request_.by)});
      } else {
        out_.push_back(std::move(report.canonical));
      }
    }
    std::ranges::move(after_fresh_, std::back_inserter(out_));
    outcome_.waiting = records_;
    if (request_.dry_run) return append(0);
    append_waiting(0);
  }

  // To the private channel, with the records that say where it is to go.
  void wait(Bytes canonical, const std::vector<protocol::WaitingRecord>& records) {
    if (records.empty()) return;
    if (!canonical.empty()) waiting_.emplace_back(protocol::FeedKind::kReport, std::move(canonical));
    for (const auto& record : records)
      waiting_.emplace_back(protocol::FeedKind::kWaiting, protocol::encode_waiting_record(record));
    ++records_;
  }

  void append_waiting(std::size_t begin) {
    if (begin >= waiting_.size()) return append(0);
    if (*stop_) return begin == 0 ? finish(stopping()) : cut_short(0, stopping());
    // A report and its record stand side by side; what comes in between by a batch's end waits for the same import
    // again.
    std::vector<protocol::FeedItem> items;
    std::size_t bytes = 0, end = begin;
    while (end < waiting_.size() && items.size() < kImportBatchRowsMax && bytes < kImportBatchBytesMax) {
      bytes += waiting_[end].second.size();
      items.push_back({waiting_[end].first, waiting_[end].second});
      ++end;
    }
    auto queued =
        desk_.replica().append(desk_.replica().private_channel(), items,
                               [self = shared_from_this(), end](Result<std::vector<protocol::EntryRef>> refs) {
                                 if (!refs) return self->finish(refs.error());
                                 self->post_([self, end] { self->append_waiting(end); });
                               });
    if (!queued) finish(queued.error());
  }

  void refuse_all() {
    outcome_.known = 0;
    finish(std::move(outcome_));
  }

  std::set<protocol::OrgId> readers() const {
    std::set<protocol::OrgId> out;
    for (const auto& reader : desk_.readers_of(channel_)) out.insert(reader.org);
    return out;
  }

  void append(std::size_t begin) {
    if (request_.dry_run) return finish(std::move(outcome_));
    progress_->total = out_.size();
    progress_->done = begin;
    if (begin >= out_.size())
      return desk_.feeder().when_indexed([self = shared_from_this()] { self->finish(std::move(self->outcome_)); });
    if (*stop_) return cut_short(begin, stopping());
    if (const auto now = readers(); !std::ranges::includes(readers_, now))
      return cut_short(begin, caller_error(kReadersChanged,
                                           "somebody joined that channel meanwhile, and nobody was asked about him; "
                                           "import the file again"));
    std::vector<protocol::FeedItem> items;
    std::size_t bytes = 0, end = begin;
    while (end < out_.size() && items.size() < kImportBatchRowsMax && bytes < kImportBatchBytesMax) {
      bytes += out_[end].size();
      items.push_back({protocol::FeedKind::kReport, out_[end++]});
    }
    auto queued = desk_.replica().append(
        channel_, items, [self = shared_from_this(), begin, end](Result<std::vector<protocol::EntryRef>> refs) {
          if (!refs) return self->cut_short(begin, refs.error());
          self->post_([self, end] { self->append(end); });
        });
    if (!queued) cut_short(begin, queued.error());
  }

  // What is durable stays; when that is nothing, it is a failure like any other.
  void cut_short(std::size_t written, Error why) {
    if (written == 0) return finish(std::move(why));
    outcome_.fresh = std::min(written, fresh_.size());
    const auto rest = written - outcome_.fresh;
    outcome_.corrected = std::min(rest, corrections_.size());
    outcome_.known -= outcome_.shared;
    outcome_.shared =
        static_cast<std::uint64_t>(std::ranges::count_if(shared_ends_, [&](auto end) { return end <= rest; }));
    outcome_.known += outcome_.shared;
    outcome_.cut_short = std::move(why);
    desk_.feeder().when_indexed([self = shared_from_this()] { self->finish(std::move(self->outcome_)); });
  }

  Desk& desk_;
  Post post_;
  std::shared_ptr<std::atomic<bool>> stop_;
  std::shared_ptr<bool> busy_;  // of the importer; null once this run is over
  ImportRequest request_;
  std::shared_ptr<ImportProgress> progress_;
  Done<ImportOutcome> done_;
  protocol::ChannelId channel_;
  exchange::ImportResult parsed_;
  std::unordered_map<std::size_t, std::vector<index::RowMatch>> matches_;
  std::vector<std::size_t> fresh_;
  struct Known {
    std::size_t row;
    protocol::ReportId report;  // ours, that this row stands for
  };
  std::vector<Known> corrections_;
  std::vector<Known> elsewhere_;
  std::vector<std::pair<protocol::FeedKind, Bytes>> waiting_;  // for the private channel
  std::uint64_t records_ = 0;                                  // of what waits
  std::vector<Bytes> after_fresh_;                             // corrections, then what is shared from another channel
  std::vector<std::size_t> shared_ends_;                       // where each that is shared ends in after_fresh_
  std::vector<Bytes> out_;  // in the order in which it is written: the new reports first
  std::vector<reports::Reader> channel_readers_, to_ask_about_;  // the latter: others
  std::set<protocol::OrgId> readers_;
  ImportOutcome outcome_;
};

}  // namespace

Importer::Importer(Desk& desk, std::function<void(std::function<void()>)> post) : desk_(desk), post_(std::move(post)) {}

Importer::~Importer() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void Importer::stop() { *stop_ = true; }

void Importer::run(ImportRequest request, std::shared_ptr<ImportProgress> progress, Done<ImportOutcome> done) {
  if (*stop_) return done(environment_error(kStopping, "the node is being stopped"));
  if (*busy_)
    return done(caller_error(kImportBusy, "another import is running; wait until it has ended, then try again"));
  if (thread_.joinable()) thread_.join();  // it has posted its last
  thread_ =
      std::make_shared<ImportRun>(desk_, post_, stop_, busy_, std::move(request), std::move(progress), std::move(done))
          ->start();
}

}  // namespace tocsin::desk
