/* A queue in libuv's loop, beside a timer of the program's own. */
#define _GNU_SOURCE
#include "check.h"
#include <uv.h>

enum { CALLS = 200 };

struct state {
    perceptis_queue *queue;
    uv_poll_t poll;
    uv_timer_t timer;
    int finished, ticks;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct state *state = poll->data;
    perceptis_event *taken_events[16];
    size_t taken = 0;
    CHECK(status == 0 && events == UV_READABLE);
    MUST(perceptis_queue_take(state->queue, taken_events, 16, 0, &taken, &failed));
    CHECK(taken > 0);
    for (size_t i = 0; i < taken; i++) {
        CHECK(perceptis_event_kind(taken_events[i]) == PERCEPTIS_EVENT_FINISHED);
        CHECK(perceptis_event_code(taken_events[i]) == PERCEPTIS_NOT_FOUND);
        perceptis_event_free(taken_events[i]);
    }
    state->finished += (int)taken;
    if (state->finished == CALLS) {
        uv_close((uv_handle_t *)&state->poll, NULL);
        uv_close((uv_handle_t *)&state->timer, NULL);
    }
}

static void on_tick(uv_timer_t *timer)
{
    ((struct state *)timer->data)->ticks++;
}

int main(void)
{
    struct state state = {0};
    perceptis_client *client = NULL;
    uv_loop_t loop;
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&state.queue, &failed));
    CHECK(uv_loop_init(&loop) == 0);
    CHECK(uv_poll_init(&loop, &state.poll, perceptis_queue_fd(state.queue)) == 0);
    CHECK(uv_timer_init(&loop, &state.timer) == 0);
    state.poll.data = state.timer.data = &state;
    CHECK(uv_poll_start(&state.poll, UV_READABLE, on_readable) == 0);
    CHECK(uv_timer_start(&state.timer, on_tick, 0, 1) == 0);
    for (uint64_t tag = 0; tag < CALLS; tag++) ask_async(client, state.queue, tag);
    CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&loop) == 0);
    CHECK(state.finished == CALLS && state.ticks > 0);
    perceptis_queue_free(state.queue);
    perceptis_client_free(client);
    return EXIT_SUCCESS;
}
