// The thread that fulfils a client's futures; not for programs.
#ifndef PERCEPTIS_FUTURES_HPP
#define PERCEPTIS_FUTURES_HPP

#include "queue.hpp"

#include <csignal>
#include <future>
#include <thread>

namespace perceptis {
namespace detail {

/// A queue and a thread that dispatches it. The client of its calls must have ended before it ends.
class Futures {
public:
    Futures()
    {
        // No handler of the program's runs on this thread.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            thread_ = std::thread([this] { work(); });
        } catch (...) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    Futures(const Futures &) = delete;
    Futures &operator=(const Futures &) = delete;

    ~Futures()
    {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
            if (queue_.pending() == 0) perceptis_queue_close(queue_.get(), nullptr);
        }
        thread_.join();
    }

    /// The future of a call that `begin` starts with this queue and a function for its end.
    template <class T, class Begin> std::future<T> start(Begin begin)
    {
        auto promise = std::make_shared<std::promise<T>>();
        std::future<T> future = promise->get_future();
        begin(queue_, [promise](Expected<T> end) {
            if (end) {
                promise->set_value(*std::move(end));
            } else {
                promise->set_exception(std::make_exception_ptr(std::move(end).error()));
            }
        });
        return future;
    }

private:
    void work()
    {
        for (;;) {
            try {
                queue_.dispatch(Queue::forever, 1);
            } catch (const Error &) {
                return; // Closed, and nothing waits.
            }
            const std::lock_guard<std::mutex> lock(mutex_);
            if (stopping_ && queue_.pending() == 0) return;
        }
    }

    Queue queue_;
    std::mutex mutex_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace detail
} // namespace perceptis

#endif
