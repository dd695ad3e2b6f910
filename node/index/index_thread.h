// The thread that owns the index, and its inbox. Everything here may be called from any thread; answers come through
// `post`, in the order in which the work was done, and each exactly once (index_stopped after stop).
//
//   IndexThread index(table, {}, [&loop](auto task) { loop.post(std::move(task)); });
//   index.ask([query](Index& i) { return i.list(query); }, [](Result<ReportPage> page) { … });
//
// Questions go before chunks: while the index catches up a question waits for one chunk at most.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>

#include "node/index/index.h"

namespace tocsin::index {

// Runs a task on the thread that wants the answers. Must not block, and must work as long as the IndexThread lives.
using Post = std::function<void(std::function<void()>)>;

enum class FeedAs : std::uint8_t { kNext, kRevisit, kForget, kTakenBack };

class IndexThread {
 public:
  IndexThread(const protocol::ReadingTable& table, IndexOptions options, Post post);
  ~IndexThread();  // stop()
  IndexThread(const IndexThread&) = delete;
  IndexThread& operator=(const IndexThread&) = delete;

  // The chunk comes back with the answer, to be filled again. index_busy when kChunksMax wait (one or two keep it
  // busy).
  using Fed = std::function<void(Result<FeedOutcome>, std::unique_ptr<protocol::EntryChunk>)>;
  void feed(std::unique_ptr<protocol::EntryChunk> chunk, FeedAs as, Fed done);

  // `work(Index&)` returns a Result<T>; it runs on the index thread and keeps no reference. `done` gets that Result.
  // Both may be move-only. index_busy when kQuestionsMax wait.
  template <class Work, class Done>
  void ask(Work work, Done done) {
    using Answer = std::invoke_result_t<Work&, Index&>;
    auto both = std::make_shared<std::pair<Work, Done>>(std::move(work), std::move(done));
    // The callbacks move into what is posted: this thread keeps no share of them, so that they end where they ran.
    enqueue_question([this, both = std::move(both)](Index* index, const Error* refusal) mutable {
      auto answer = std::make_shared<Answer>(refusal ? Answer(*refusal) : guarded<Answer>(both->first, *index));
      post_([both = std::move(both), answer = std::move(answer)] { both->second(std::move(*answer)); });
    });
  }

  // Waits until the index has been made, or could not be: then its error, with which everything is answered.
  Result<void> made() { return made_.get(); }

  // Ends the thread after the piece of work at hand; what waits is answered with index_stopped. Nothing is saved: ask
  // for save() before, and wait for it.
  void stop();

 private:
  using Job = std::function<void(Index*, const Error*)>;  // the index, or why the job is refused

  template <class Answer, class Work>
  static Answer guarded(Work& work, Index& index) {
    try {
      return work(index);
    } catch (const std::bad_alloc&) {
      return environment_error(kIndexMemory);
    } catch (const std::exception&) {
      return internal_error(kIndexBroken);
    }
  }
  static Result<std::unique_ptr<Index>> make(const protocol::ReadingTable& table, IndexOptions options);
  // Jobs that find no room, or come after stop, are told so at once, on the caller's thread.
  void enqueue(std::deque<Job>& queue, std::size_t jobs_max, const char* full, Job job);
  void enqueue_question(Job job);
  void run(const protocol::ReadingTable& table, IndexOptions options);

  const Post post_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<Job> questions_, chunks_;
  bool stopping_ = false;
  std::promise<Result<void>> making_;
  std::shared_future<Result<void>> made_ = making_.get_future().share();
  std::thread thread_;
};

}  // namespace tocsin::index
