#ifndef PERCEPTIS_CLIENT_HPP
#define PERCEPTIS_CLIENT_HPP

#include "futures.hpp"
#include "queue.hpp"
#include "settings.hpp"

#ifdef __cpp_lib_jthread
#include <stop_token>
#endif

namespace perceptis {

/// A client of the service with one API key. Any number of threads may use it at once. After a fork
/// it belongs to the parent: make a new one in the child. Calls that run when it is destroyed end
/// with Code::closed; their jobs go on at the service.
class Client {
public:
    /// From the environment: PERCEPTIS_API_KEY decides who pays.
    Client() : Client(Settings()) {}

    explicit Client(const Settings &settings) : state_(std::make_unique<State>())
    {
        detail::check_abi();
        const detail::ConfigHandle config = detail::make_config(settings);
        perceptis_client *made = nullptr;
        detail::call([&](perceptis_error **error) {
            return perceptis_client_new(config.get(), &made, error);
        });
        state_->handle.reset(made);
    }

    /// Makes what a request asks for and puts it on disk: submits, waits and fetches. Never submits
    /// twice. Blocks.
    Result run(const Request &request, const Options &options = Options()) const
    {
        return Result(request_call(perceptis_run, request, options));
    }

    /// Submits a request and returns once the service has accepted it; the job goes on there.
    /// Blocks.
    Accepted generate(const Request &request, const Options &options = Options()) const
    {
        return Accepted(request_call(perceptis_generate, request, options));
    }

    /// The state of a job, asked once. Blocks.
    Status get_status(std::string_view job_id, const Options &options = Options()) const
    {
        return Status(job_call(perceptis_get_status, job_id, options));
    }

    /// Waits until a job is completed. Blocks.
    Status wait(std::string_view job_id, const Options &options = Options()) const
    {
        return Status(job_call(perceptis_wait, job_id, options));
    }

    /// Fetches the files of a completed job. Blocks.
    Result download(std::string_view job_id, const Options &options = Options()) const
    {
        return Result(job_call(perceptis_download, job_id, options));
    }

    /// The same, with a failure as a value instead of an exception.
    Expected<Result> try_run(const Request &request, const Options &options = Options()) const
    {
        return detail::expected<Result>([&] { return run(request, options); });
    }
    Expected<Accepted> try_generate(const Request &request,
                                    const Options &options = Options()) const
    {
        return detail::expected<Accepted>([&] { return generate(request, options); });
    }
    Expected<Status> try_get_status(std::string_view job_id,
                                    const Options &options = Options()) const
    {
        return detail::expected<Status>([&] { return get_status(job_id, options); });
    }
    Expected<Status> try_wait(std::string_view job_id, const Options &options = Options()) const
    {
        return detail::expected<Status>([&] { return wait(job_id, options); });
    }
    Expected<Result> try_download(std::string_view job_id, const Options &options = Options()) const
    {
        return detail::expected<Result>([&] { return download(job_id, options); });
    }

    /// The same as futures, fulfilled by a thread that this client has for all of them. A future
    /// that is destroyed does not stop its call; a Queue can.
    std::future<Result> run_async(const Request &request, const Options &options = Options())
    {
        return future<Result>(
            [&](Queue &queue, auto done) { queue.run(*this, request, options, std::move(done)); });
    }
    std::future<Accepted> generate_async(const Request &request, const Options &options = Options())
    {
        return future<Accepted>([&](Queue &queue, auto done) {
            queue.generate(*this, request, options, std::move(done));
        });
    }
    std::future<Status> get_status_async(std::string_view job_id,
                                         const Options &options = Options())
    {
        return future<Status>([&](Queue &queue, auto done) {
            queue.get_status(*this, job_id, options, std::move(done));
        });
    }
    std::future<Status> wait_async(std::string_view job_id, const Options &options = Options())
    {
        return future<Status>(
            [&](Queue &queue, auto done) { queue.wait(*this, job_id, options, std::move(done)); });
    }
    std::future<Result> download_async(std::string_view job_id, const Options &options = Options())
    {
        return future<Result>([&](Queue &queue, auto done) {
            queue.download(*this, job_id, options, std::move(done));
        });
    }

#ifdef __cpp_lib_jthread
    /// The same, stopped by a token: the call then ends at once with Code::cancelled, and the job
    /// goes on.
    Result run(const Request &request, const Options &options, std::stop_token stop) const
    {
        return stoppable<Result>(std::move(stop), [&](Queue &queue, auto done) {
            return queue.run(*this, request, options, std::move(done));
        });
    }
    Accepted generate(const Request &request, const Options &options, std::stop_token stop) const
    {
        return stoppable<Accepted>(std::move(stop), [&](Queue &queue, auto done) {
            return queue.generate(*this, request, options, std::move(done));
        });
    }
    Status wait(std::string_view job_id, const Options &options, std::stop_token stop) const
    {
        return stoppable<Status>(std::move(stop), [&](Queue &queue, auto done) {
            return queue.wait(*this, job_id, options, std::move(done));
        });
    }
    Result download(std::string_view job_id, const Options &options, std::stop_token stop) const
    {
        return stoppable<Result>(std::move(stop), [&](Queue &queue, auto done) {
            return queue.download(*this, job_id, options, std::move(done));
        });
    }
#endif

    /// What runs in this client now, the oldest first, without asking the service.
    std::vector<Progress> activity() const
    {
        const std::string json = detail::call_for_text([&](char **text, perceptis_error **error) {
            return perceptis_client_activity(state_->handle.get(), text, error);
        });
        std::vector<Progress> running;
        for (std::size_t at = 0;; at++) {
            std::optional<std::string> operation =
                detail::json_get(json, "/operations/" + std::to_string(at));
            if (!operation) return running;
            running.emplace_back(*std::move(operation));
        }
    }

    /// Ends the calls that run, each with Code::closed, and waits at most `timeout` for their ends.
    /// A second close does nothing.
    void close(std::chrono::milliseconds timeout = std::chrono::seconds(5))
    {
        detail::call([&](perceptis_error **error) {
            return perceptis_client_close(state_->handle.get(),
                                          static_cast<std::int64_t>(timeout.count()), error);
        });
    }

    /// The handle, which stays this object's.
    perceptis_client *get() const noexcept { return state_->handle.get(); }

private:
    struct State {
        State() = default;
        State(const State &) = delete;
        State &operator=(const State &) = delete;

        ~State()
        {
            // In a fork's child there is no such thread to end.
            if (process != getpid()) static_cast<void>(futures.release());
            // Ends the calls, and so the futures' thread can end.
            handle.reset();
        }

        const pid_t process = getpid();
        std::mutex mutex;
        std::unique_ptr<detail::Futures> futures;
        detail::ClientHandle handle;
    };

    template <class Function>
    std::string request_call(Function function, const Request &request,
                             const Options &options) const
    {
        return detail::call_for_text([&](char **text, perceptis_error **error) {
            return function(state_->handle.get(), request.get(), options.get(), text, error);
        });
    }

    template <class Function>
    std::string job_call(Function function, std::string_view job_id, const Options &options) const
    {
        const std::string job = detail::c_text("job_id", job_id);
        return detail::call_for_text([&](char **text, perceptis_error **error) {
            return function(state_->handle.get(), job.c_str(), options.get(), text, error);
        });
    }

    template <class T, class Begin> std::future<T> future(Begin begin)
    {
        detail::check_process(state_->process);
        const std::lock_guard<std::mutex> lock(state_->mutex);
        if (!state_->futures) state_->futures = std::make_unique<detail::Futures>();
        return state_->futures->template start<T>(std::move(begin));
    }

#ifdef __cpp_lib_jthread
    template <class T, class Begin> T stoppable(std::stop_token stop, Begin begin) const
    {
        Queue queue;
        std::optional<Expected<T>> end;
        const std::uint64_t call =
            begin(queue, [&end](Expected<T> ended) { end.emplace(std::move(ended)); });
        {
            const std::stop_callback cancel(std::move(stop),
                                            [&queue, call] { queue.cancel(call); });
            while (!end) queue.dispatch(Queue::forever);
        }
        if (!*end) throw end->error();
        return **std::move(end);
    }
#endif

    std::unique_ptr<State> state_;
};

namespace detail {
inline perceptis_client *handle_of(const Client &client) noexcept
{
    return client.get();
}
} // namespace detail

} // namespace perceptis

#endif
