#ifndef PERCEPTIS_QUEUE_HPP
#define PERCEPTIS_QUEUE_HPP

#include "expected.hpp"
#include "options.hpp"
#include "request.hpp"
#include "result.hpp"

#include <chrono>
#include <functional>
#include <mutex>
#include <unordered_map>

namespace perceptis {

class Client;

namespace detail {

/// A client's handle, which stays its own; client.hpp has it.
perceptis_client *handle_of(const Client &client) noexcept;

/// What a program wants to be called with when a call ends or comes further.
class Call {
public:
    Call() = default;
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
    virtual ~Call() = default;
    virtual void finished(const perceptis_event *event) = 0;
    virtual void progress(const perceptis_event *event) = 0;
};

/// The end that an event tells.
template <class T> Expected<T> read_end(const perceptis_event *event)
{
    const perceptis_error *const error = perceptis_event_error(event);
    if (error != nullptr) return unexpected<T>(read_error(error, perceptis_event_json(event)));
    return T(std::string(perceptis_event_json(event)));
}

template <class T, class Done, class OnProgress> class CallOf final : public Call {
public:
    CallOf(Done done, OnProgress on_progress)
        : done_(std::move(done)),
          on_progress_(std::move(on_progress))
    {
    }
    void finished(const perceptis_event *event) override { done_(read_end<T>(event)); }
    void progress(const perceptis_event *event) override
    {
        on_progress_(Progress(std::string(perceptis_event_json(event))));
    }

private:
    Done done_;
    OnProgress on_progress_;
};

struct NoProgress {
    void operator()(const Progress &) const noexcept {}
};

} // namespace detail

/// A queue: where calls that do not block end. Each call takes a function, which `dispatch` calls
/// with an Expected of the call's result. A queue is for an event loop that watches `fd`, or for a
/// thread that waits in `dispatch`. Any number of threads may use it at once. A function that has
/// not been called when the queue is destroyed is never called; its call goes on until it or its
/// client ends, and its files still come.
class Queue {
public:
    /// For `dispatch`: until an event comes.
    static constexpr std::chrono::milliseconds forever{-1};

    Queue() : state_(std::make_unique<State>())
    {
        detail::check_abi();
        perceptis_queue *made = nullptr;
        detail::call([&](perceptis_error **error) { return perceptis_queue_new(&made, error); });
        state_->handle.reset(made);
    }

    /// Makes what a request asks for and puts it on disk. `done` is called with an
    /// Expected<Result>, and `on_progress`, where it is given, with the Progress whenever the call
    /// has come further. Returns the call's name for `cancel`; the functions may be called before
    /// that, by another thread.
    template <class Done>
    std::uint64_t run(const Client &client, const Request &request, const Options &options,
                      Done done)
    {
        return request_call<Result>(perceptis_run_async, client, request, options.get(),
                                    std::move(done));
    }
    template <class Done, class OnProgress>
    std::uint64_t run(const Client &client, const Request &request, const Options &options,
                      Done done, OnProgress on_progress)
    {
        return request_call<Result>(perceptis_run_async, client, request, watched(options).get(),
                                    std::move(done), std::move(on_progress));
    }

    /// Submits a request; `done` is called with an Expected<Accepted>.
    template <class Done>
    std::uint64_t generate(const Client &client, const Request &request, const Options &options,
                           Done done)
    {
        return request_call<Accepted>(perceptis_generate_async, client, request, options.get(),
                                      std::move(done));
    }

    /// Asks about a job once; `done` is called with an Expected<Status>.
    template <class Done>
    std::uint64_t get_status(const Client &client, std::string_view job_id, const Options &options,
                             Done done)
    {
        return job_call<Status>(perceptis_get_status_async, client, job_id, options.get(),
                                std::move(done));
    }

    /// Waits until a job is completed; `done` is called with an Expected<Status>, `on_progress` as
    /// with `run`.
    template <class Done>
    std::uint64_t wait(const Client &client, std::string_view job_id, const Options &options,
                       Done done)
    {
        return job_call<Status>(perceptis_wait_async, client, job_id, options.get(),
                                std::move(done));
    }
    template <class Done, class OnProgress>
    std::uint64_t wait(const Client &client, std::string_view job_id, const Options &options,
                       Done done, OnProgress on_progress)
    {
        return job_call<Status>(perceptis_wait_async, client, job_id, watched(options).get(),
                                std::move(done), std::move(on_progress));
    }

    /// Fetches the files of a completed job; `done` is called with an Expected<Result>.
    template <class Done>
    std::uint64_t download(const Client &client, std::string_view job_id, const Options &options,
                           Done done)
    {
        return job_call<Result>(perceptis_download_async, client, job_id, options.get(),
                                std::move(done));
    }

    /// Stops waiting for a call; its function is called with Code::cancelled, unless it has ended.
    /// The job goes on.
    void cancel(std::uint64_t call)
    {
        detail::call([&](perceptis_error **error) {
            return perceptis_queue_cancel(state_->handle.get(), call, error);
        });
    }

    /// Calls the functions of at most `most` events, on this thread and with no lock held, and
    /// returns the number of events. Waits at most `timeout` for the first one. An exception of a
    /// function leaves `dispatch`; the other events stay.
    ///
    /// Throws Code::closed when the queue is closed and holds no event.
    std::size_t dispatch(std::chrono::milliseconds timeout = std::chrono::milliseconds(0),
                         std::size_t most = static_cast<std::size_t>(-1))
    {
        std::size_t handled = 0;
        for (; handled < most; handled++) {
            // One at a time: a function that throws must not take others with it.
            perceptis_event *taken = nullptr;
            std::size_t count = 0;
            const auto wait = handled == 0 ? static_cast<std::int64_t>(timeout.count()) : 0;
            perceptis_error *error = nullptr;
            const perceptis_code code
                = perceptis_queue_take(state_->handle.get(), &taken, 1, wait, &count, &error);
            const detail::ErrorHandle owned(error);
            if (code == PERCEPTIS_CLOSED && handled > 0) break;
            if (code != PERCEPTIS_OK) throw detail::read_error(error);
            if (count == 0) break;
            detail::EventHandle event(taken);
            try {
                state_->handle_event(event.get());
            } catch (...) {
                // The function may not have made the end its own: an equal call gets it again.
                perceptis_event_discard(event.release());
                throw;
            }
        }
        return handled;
    }

    /// How many calls have not ended, or their ends not been dispatched.
    std::size_t pending() const
    {
        detail::check_process(state_->process);
        const std::lock_guard<std::mutex> lock(state_->mutex);
        return state_->calls.size();
    }

    /// A descriptor that is readable exactly while events wait; it is never to be read.
    int fd() const noexcept { return perceptis_queue_fd(state_->handle.get()); }

    /// Sets the function that is called whenever the queue, empty before, holds an event. An empty
    /// function removes it. The function is called on a thread of the library's. It must not throw,
    /// block or replace itself. This returns, as the queue's destructor does, when no call of the
    /// function before is in progress. A thread that such a call waits for must not call this.
    void set_wakeup(std::function<void()> wakeup)
    {
        auto next = wakeup ? std::make_unique<std::function<void()>>(std::move(wakeup)) : nullptr;
        detail::call([&](perceptis_error **error) {
            return perceptis_queue_set_wakeup(state_->handle.get(), next ? &call_wakeup : nullptr,
                                              next.get(), error);
        });
        state_->wakeup = std::move(next);
    }

    /// The same without any wait. A call of the function before may be in progress when this
    /// returns, and this function may replace itself. `released`, where there is one, is called
    /// once, when no call of `wakeup` is in progress and none will begin: on any thread, perhaps
    /// after the queue was destroyed. It must not throw. Then both are destroyed.
    void set_wakeup(std::function<void()> wakeup, std::function<void()> released)
    {
        auto next = std::make_unique<Wakeup>(Wakeup{std::move(wakeup), std::move(released)});
        const perceptis_wakeup_function call = next->wakeup ? &Wakeup::call : nullptr;
        detail::call([&](perceptis_error **error) {
            return perceptis_queue_set_wakeup_with_release(state_->handle.get(), call, next.get(),
                                                           &Wakeup::release, error);
        });
        static_cast<void>(next.release()); // By now it is the library's to release.
    }

    /// Wakes the threads that wait in `dispatch`, and accepts no further call.
    void close()
    {
        detail::call([&](perceptis_error **error) {
            return perceptis_queue_close(state_->handle.get(), error);
        });
    }

    /// The handle, which stays this object's.
    perceptis_queue *get() const noexcept { return state_->handle.get(); }

private:
    struct Wakeup {
        std::function<void()> wakeup, released;

        static void call(void *user) noexcept { static_cast<Wakeup *>(user)->wakeup(); }

        static void release(void *user) noexcept
        {
            const std::unique_ptr<Wakeup> owned(static_cast<Wakeup *>(user));
            if (owned->released) owned->released();
        }
    };

    struct State {
        const pid_t process = getpid();
        std::mutex mutex;
        std::unordered_map<std::uint64_t, std::shared_ptr<detail::Call>> calls;
        std::uint64_t last = 0;
        std::unique_ptr<std::function<void()>> wakeup;
        /// Freed first, which waits for a call of `wakeup` in progress.
        detail::QueueHandle handle;

        void handle_event(const perceptis_event *event)
        {
            const bool finished = perceptis_event_kind(event) == PERCEPTIS_EVENT_FINISHED;
            std::shared_ptr<detail::Call> call;
            {
                const std::lock_guard<std::mutex> lock(mutex);
                const auto found = calls.find(perceptis_event_tag(event));
                if (found == calls.end()) return;
                call = found->second;
                if (finished) calls.erase(found);
            }
            if (finished) {
                call->finished(event);
            } else if (perceptis_event_kind(event) == PERCEPTIS_EVENT_PROGRESS) {
                call->progress(event);
            }
        }
    };

    static void call_wakeup(void *wakeup) noexcept
    {
        (*static_cast<std::function<void()> *>(wakeup))();
    }

    static Options watched(const Options &options)
    {
        return options.copy().set("progress", "true");
    }

    /// Starts a call, remembered before: its end may come before the start returns.
    template <class T, class Start, class Done, class OnProgress>
    std::uint64_t start(Start begin, Done done, OnProgress on_progress)
    {
        detail::check_process(state_->process);
        auto call = std::make_shared<detail::CallOf<T, Done, OnProgress>>(std::move(done),
                                                                          std::move(on_progress));
        std::uint64_t tag = 0;
        {
            const std::lock_guard<std::mutex> lock(state_->mutex);
            tag = ++state_->last;
            state_->calls.emplace(tag, std::move(call));
        }
        try {
            detail::call(
                [&](perceptis_error **error) { return begin(state_->handle.get(), tag, error); });
        } catch (...) {
            const std::lock_guard<std::mutex> lock(state_->mutex);
            state_->calls.erase(tag);
            throw;
        }
        return tag;
    }

    template <class T, class Function, class Done, class OnProgress = detail::NoProgress>
    std::uint64_t request_call(Function function, const Client &client, const Request &request,
                               const perceptis_options *options, Done done,
                               OnProgress on_progress = {})
    {
        return start<T>(
            [&](perceptis_queue *queue, std::uint64_t tag, perceptis_error **error) {
                return function(detail::handle_of(client), request.get(), options, queue, tag,
                                error);
            },
            std::move(done), std::move(on_progress));
    }

    template <class T, class Function, class Done, class OnProgress = detail::NoProgress>
    std::uint64_t job_call(Function function, const Client &client, std::string_view job_id,
                           const perceptis_options *options, Done done, OnProgress on_progress = {})
    {
        const std::string job = detail::c_text("job_id", job_id);
        return start<T>(
            [&](perceptis_queue *queue, std::uint64_t tag, perceptis_error **error) {
                return function(detail::handle_of(client), job.c_str(), options, queue, tag, error);
            },
            std::move(done), std::move(on_progress));
    }

    std::unique_ptr<State> state_;
};

} // namespace perceptis

#endif
