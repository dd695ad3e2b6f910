#include "node/index/index_thread.h"

namespace tocsin::index {

IndexThread::IndexThread(const protocol::ReadingTable& table, IndexOptions options, Post post)
    : post_(std::move(post)), thread_([this, &table, options] { run(table, options); }) {}

IndexThread::~IndexThread() { stop(); }

void IndexThread::enqueue(std::deque<Job>& queue, std::size_t jobs_max, const char* full, Job job) {
  const auto refusal = [&]() -> std::optional<Error> {
    const std::lock_guard lock(mutex_);
    if (stopping_) return environment_error(kIndexStopped, "the index has been stopped");
    if (queue.size() >= jobs_max) return environment_error(kIndexBusy, full);
    queue.push_back(std::move(job));
    return std::nullopt;
  }();
  if (refusal) return job(nullptr, &*refusal);  // it was not taken
  wake_.notify_one();
}

void IndexThread::enqueue_question(Job job) {
  enqueue(questions_, kQuestionsMax, "too many questions wait for the index", std::move(job));
}

void IndexThread::feed(std::unique_ptr<protocol::EntryChunk> chunk, FeedAs as, Fed done) {
  // std::function wants what it holds to be copyable.
  auto shared = std::make_shared<std::unique_ptr<protocol::EntryChunk>>(std::move(chunk));
  Job job = [this, shared = std::move(shared), as, done = std::move(done)](Index* index, const Error* refusal) mutable {
    const auto work = [&](Index& i) -> Result<FeedOutcome> {
      if (as == FeedAs::kNext) return i.feed(**shared);
      if (as == FeedAs::kRevisit) return i.revisit(**shared);
      TOCSIN_TRY(as == FeedAs::kTakenBack ? i.take_back(**shared) : i.forget(**shared));
      FeedOutcome out;
      out.forgotten = true;
      return out;
    };
    auto answer = std::make_shared<Result<FeedOutcome>>(refusal ? Result<FeedOutcome>(*refusal)
                                                                : guarded<Result<FeedOutcome>>(work, *index));
    post_([answer = std::move(answer), shared = std::move(shared), done = std::move(done)] {
      done(std::move(*answer), std::move(*shared));
    });
  };
  enqueue(chunks_, kChunksMax, "too many chunks wait for the index", std::move(job));
}

Result<std::unique_ptr<Index>> IndexThread::make(const protocol::ReadingTable& table, IndexOptions options) {
  try {
    return Index::create(table, options);
  } catch (const std::bad_alloc&) {
    return environment_error(kIndexMemory, "there is no memory for the index");
  }
}

void IndexThread::run(const protocol::ReadingTable& table, IndexOptions options) {
  auto index = make(table, options);
  making_.set_value(index ? Result<void>(kOk) : Result<void>(index.error()));
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !questions_.empty() || !chunks_.empty(); });
      if (stopping_) return;
      auto& queue = questions_.empty() ? chunks_ : questions_;
      job = std::move(queue.front());
      queue.pop_front();
    }
    if (index) {
      job(index->get(), nullptr);
    } else {
      job(nullptr, &index.error());
    }
  }
}

void IndexThread::stop() {
  std::deque<Job> left;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto* queue : {&questions_, &chunks_}) {
      for (Job& job : *queue) left.push_back(std::move(job));
      queue->clear();
    }
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  const Error refusal = environment_error(kIndexStopped, "the index has been stopped");
  for (Job& job : left) job(nullptr, &refusal);
}

}  // namespace tocsin::index
