// Everything that perceptis.hpp offers, used as a program would. Usage: face DIRECTORY
#include <perceptis.hpp>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>
#include <type_traits>

#include <poll.h>
#include <sys/wait.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            std::cerr << __FILE__ << ':' << __LINE__ << ": " #condition << std::endl; \
            std::_Exit(EXIT_FAILURE);                                                 \
        }                                                                             \
    } while (0)

using namespace std::chrono_literals;

template <class T>
constexpr bool only_moves = std::is_nothrow_move_constructible_v<T> && !std::is_copy_constructible_v<T>;
static_assert(only_moves<perceptis::Client> && only_moves<perceptis::Request>);
static_assert(only_moves<perceptis::Options> && only_moves<perceptis::Queue>);
static_assert(std::is_base_of_v<std::exception, perceptis::Error>);

namespace {

template <class Function> perceptis::Error error_of(Function &&function)
{
    try {
        std::forward<Function>(function)();
    } catch (const perceptis::Error &error) {
        return error;
    }
    CHECK(false && "it did not fail");
    std::abort();
}

/* Time runs so slowly here that a loaded machine keeps the library's own deadlines; so jobs are quick, or
   never end. */
const char *const slide = "A slide [[sandbox: takes=1]]", *const endless = "A deck [[sandbox: never_ends]]";

perceptis::Options into(const std::string &directory, const char *name)
{
    return perceptis::Options().directory(directory).name(name).timeout(40min);
}

void refuses_what_can_not_be()
{
    using perceptis::Code;
    const perceptis::Error bad = error_of([] { perceptis::Options().set("directry", "x"); });
    CHECK(bad.code() == Code::invalid_argument
          && std::string(bad.what()).find("directory") != std::string::npos);
    CHECK(bad.billed() == "no" && !bad.retryable() && !bad.job_id() && !bad.http_status());
    CHECK(std::string(perceptis::name(bad.code())) == "INVALID_ARGUMENT");
    CHECK(error_of([] { perceptis::Request::deck(std::string_view("a\0b", 3)); }).code()
          == Code::invalid_argument);
    CHECK(error_of([] { perceptis::Request("video", "x"); }).code() == Code::invalid_argument);
    CHECK(error_of([] { perceptis::Options().timeout(0ms); }).code() == Code::invalid_argument);
    perceptis::Settings settings;
    settings.further.emplace_back("nonsense", "1");
    CHECK(error_of([&] { perceptis::Client client(settings); }).code() == Code::invalid_argument);
    settings.further.clear();
    settings.api_base_url = "https://a.test/api";
    CHECK(error_of([&] { perceptis::Client client(settings); }).code() == Code::configuration);
#if __cplusplus >= 202002L
    perceptis::Client client({.app_name = "face", .poll_first = 2s});
    CHECK(client.activity().empty());
#endif
}

void blocks_and_returns(perceptis::Client &client, const std::string &directory)
{
    auto request = perceptis::Request::slide(slide).variant_count(2).use_web_search(true);
    request.use_knowledge_base(false);
    request.set_json("tone", R"("dry")");
    CHECK(request.to_json().find("\"tone\":\"dry\"") != std::string::npos);
    perceptis::Options options = into(directory, "plain");
    perceptis::Options moved = std::move(options);
    const perceptis::Result result = client.run(request, moved);
    CHECK(result.status() == "completed" && result.billed() == "yes"
          && result.output_type() == "single_slide");
    CHECK(result.files().size() == 2 && result.unverified().empty() && result.idempotency_key());
    CHECK(result.files()[1].path().filename() == "plain-2.pptx" && result.files()[1].variant() == 2);
    CHECK(result.files()[0].size() == std::filesystem::file_size(result.files()[0].path()));
    CHECK(result.files()[0].sha256().size() == 64 && !result.files()[0].note());
    CHECK(result.at("/job/job_id") == result.job_id());
    CHECK(result.type("/job") == "object" && result.type("/files") == "array"
          && result.type("/none").empty());
    CHECK(!result.adopted() && !result.note() && result.type("/recorded") == "boolean");
    // A text that looks like null is a text.
    const perceptis::Result odd(R"({"job_id":"null","note":null,"recorded":true,"unsettled":2})");
    CHECK(odd.recorded() && odd.unsettled() == 2);
    CHECK(odd.job_id() == "null" && odd.type("/job_id") == "string" && !odd.note()
          && odd.type("/note") == "null");

    const perceptis::Status status = client.get_status(result.job_id());
    CHECK(status.status() == "completed" && status.downloads().size() == 2
          && status.downloads()[1].variant() == 2U);
    CHECK(client.wait(result.job_id()).job_id() == result.job_id());
    CHECK(client.download(result.job_id(), into(directory, "again")).files().size() == 2);
    const perceptis::Accepted accepted = client.generate(request,
                                                         perceptis::Options().idempotency_key("key-1"));
    CHECK(accepted.idempotency_key() == "key-1" && !accepted.job_id().empty());
    CHECK(accepted.type("/adopted") == "boolean" && accepted.unsettled() < 1000);

    // A name that is taken, as an exception and as a value.
    CHECK(error_of([&] { client.run(request, moved); }).code() == perceptis::Code::file);
    const perceptis::Expected<perceptis::Result> taken = client.try_run(request, moved);
    CHECK(!taken && taken.error().code() == perceptis::Code::file && taken.error().billed() == "no");
    const perceptis::Expected<perceptis::Status> none = client.try_get_status("job_none");
    CHECK(!none.has_value() && none.error().http_status() == 404 && none.error().api_code() == "not_found");
    const perceptis::Expected<perceptis::Status> there = client.try_get_status(result.job_id());
    CHECK(there && there->status() == "completed" && (*there).job_id() == there.value().job_id());
}

void promises(const std::string &directory)
{
    std::future<perceptis::Status> left;
    {
        perceptis::Client client;
        std::vector<std::future<perceptis::Result>> futures;
        for (int number = 0; number < 4; number++) {
            const std::string name = "future-" + std::to_string(number);
            futures.push_back(
                client.run_async(perceptis::Request::slide(slide), into(directory, name.c_str())));
        }
        std::future<perceptis::Status> none = client.get_status_async("job_none");
        CHECK(error_of([&] { none.get(); }).code() == perceptis::Code::not_found);
        for (std::future<perceptis::Result> &future : futures) CHECK(future.get().files().size() == 1);
        const std::string job = client.generate_async(perceptis::Request::deck(endless)).get().job_id();
        client.wait_async(job); // Its future goes away; the call does not, until the client does.
        left = client.wait_async(job);
        perceptis::Client moved = std::move(client);
        CHECK(moved.activity().size() == 2);
    }
    CHECK(error_of([&] { left.get(); }).code() == perceptis::Code::closed);
}

void queues(perceptis::Client &client, const std::string &directory)
{
    perceptis::Queue queue;
    int finished = 0, progress = 0;
    auto own = std::make_unique<int>(7); // What a function holds need not be copied.
    queue.run(
        client, perceptis::Request::slide("A queue [[sandbox: takes=5]]"), into(directory, "queue"),
        [&finished, own = std::move(own)](perceptis::Expected<perceptis::Result> end) {
            CHECK(*own == 7 && end && end->files().size() == 1);
            finished++;
        },
        [&progress](const perceptis::Progress &now) {
            CHECK(now.operation() == "run" && !now.phase().empty() && now.elapsed() >= 0ms);
            CHECK(now.eta().has_value() == now.eta_jobs().has_value());
            CHECK(!now.eta() || (*now.eta_low() <= *now.eta() && *now.eta() <= *now.eta_high()));
            progress++;
        });
    CHECK(queue.pending() == 1);
    while (finished < 1) {
        pollfd watched = {queue.fd(), POLLIN, 0};
        CHECK(poll(&watched, 1, -1) == 1);
        CHECK(queue.dispatch() > 0);
    }
    CHECK(progress > 0 && queue.pending() == 0 && queue.dispatch() == 0 && queue.dispatch(1ms) == 0);

    // A cancel keeps the job.
    const std::string job = client.generate(perceptis::Request::deck(endless)).job_id();
    const std::uint64_t call
        = queue.wait(client, job, perceptis::Options(), [&](perceptis::Expected<perceptis::Status> end) {
              CHECK(!end && end.error().code() == perceptis::Code::cancelled && end.error().job_id() == job);
              finished++;
          });
    queue.cancel(call);
    queue.cancel(call);
    CHECK(queue.dispatch(perceptis::Queue::forever) == 1 && finished == 2);

    // What a function throws comes out, and takes nothing else with it.
    for (int number = 0; number < 3; number++) {
        queue.get_status(client, "job_none_" + std::to_string(number), perceptis::Options(),
                         [&](perceptis::Expected<perceptis::Status> end) {
                             finished++;
                             throw std::move(end).error();
                         });
    }
    for (int number = 0; number < 3; number++) {
        CHECK(error_of([&] { queue.dispatch(perceptis::Queue::forever); }).code()
              == perceptis::Code::not_found);
    }
    CHECK(finished == 5);

    // A call that was not accepted leaves nothing behind.
    CHECK(error_of([&] { queue.get_status(client, "a/b", perceptis::Options(), [](auto) {}); }).code()
          == perceptis::Code::invalid_argument);
    CHECK(queue.pending() == 0);

    std::atomic<int> rings{0};
    queue.set_wakeup([&rings] { rings++; });
    queue.download(client, "job_none", perceptis::Options(),
                   [](perceptis::Expected<perceptis::Result> end) { CHECK(!end); });
    CHECK(queue.dispatch(perceptis::Queue::forever) == 1);
    queue.set_wakeup(nullptr);
    CHECK(rings == 1);

    // The same without a wait: it is released once, and it may replace itself.
    std::atomic<int> released{0};
    const auto kept = std::make_shared<int>(0);
    queue.set_wakeup(
        [&, kept] {
            rings++;
            queue.set_wakeup(nullptr, nullptr);
            CHECK(released == 0 && kept.use_count() > 1);
        },
        [&released] { released++; });
    CHECK(kept.use_count() == 2 && released == 0);
    queue.download(client, "job_none_2", perceptis::Options(), [](auto) {});
    CHECK(queue.dispatch(perceptis::Queue::forever) == 1);
    while (kept.use_count() > 1) std::this_thread::yield();
    CHECK(rings == 2 && released == 1);
    queue.set_wakeup(nullptr, [&released] { released++; });
    CHECK(released == 2);

    queue.close();
    CHECK(error_of([&] { queue.dispatch(perceptis::Queue::forever); }).code() == perceptis::Code::closed);
    CHECK(error_of([&] { queue.wait(client, job, perceptis::Options(), [](auto) {}); }).code()
          == perceptis::Code::closed);

    // A queue that goes away with a call in flight.
    perceptis::Queue gone;
    gone.wait(client, job, perceptis::Options(),
              [](perceptis::Expected<perceptis::Status>) { CHECK(false && "called"); });
}

#ifdef __cpp_lib_jthread
void stops(perceptis::Client &client)
{
    const std::string job = client.generate(perceptis::Request::deck(endless)).job_id();
    std::stop_source source;
    std::jthread other([&] {
        while (client.activity().empty()) std::this_thread::yield();
        source.request_stop();
    });
    const perceptis::Error stopped
        = error_of([&] { client.wait(job, perceptis::Options(), source.get_token()); });
    CHECK(stopped.code() == perceptis::Code::cancelled && stopped.job_id() == job);
    // Stopped before it began.
    CHECK(error_of([&] { client.wait(job, perceptis::Options(), source.get_token()); }).code()
          == perceptis::Code::cancelled);
    const std::stop_source never;
    perceptis::Options stop = perceptis::Options().name("stop"),
                       again = perceptis::Options().name("stop-again");
    const perceptis::Result made = client.run(perceptis::Request::slide(slide), stop, never.get_token());
    CHECK(client.download(made.job_id(), again, never.get_token()).files().size() == 1);
}
#endif

void forks()
{
    perceptis::Client client;
    perceptis::Queue queue;
    CHECK(error_of([&] { client.get_status_async("job_none").get(); }).code() == perceptis::Code::not_found);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        using perceptis::Code;
        {
            const perceptis::Client inherited = std::move(client);
            const perceptis::Queue its_queue = std::move(queue);
            CHECK(error_of([&] { inherited.get_status("job_none"); }).code() == Code::forked);
            CHECK(error_of([&] { static_cast<void>(its_queue.pending()); }).code() == Code::forked);
        }
        perceptis::Client anew;
        CHECK(error_of([&] { anew.get_status("job_none"); }).code() == Code::not_found);
        CHECK(error_of([&] { anew.get_status_async("job_none_2").get(); }).code() == Code::not_found);
        std::_Exit(EXIT_SUCCESS);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(error_of([&] { client.get_status("job_none_3"); }).code() == perceptis::Code::not_found);
}

} // namespace

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const std::string directory = argv[1];
    std::filesystem::current_path(directory);
    refuses_what_can_not_be();
    perceptis::Client client;
    blocks_and_returns(client, directory);
    promises(directory);
    queues(client, directory);
#ifdef __cpp_lib_jthread
    stops(client);
#endif
    forks();
    client.close();
    CHECK(error_of([&] { client.get_status("job_none"); }).code() == perceptis::Code::closed);
    std::cout << "done\n";
}
