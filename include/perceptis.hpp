// libperceptis for C++: a prompt in, a .pptx on disk, and no deck lost or bought twice on the way.
//
//     perceptis::Client client;    // The environment variable PERCEPTIS_API_KEY decides who pays.
//     perceptis::Result result = client.run(perceptis::Request::deck("Why teams adopt Rust"));
//     std::cout << result.files().front().path().string() << '\n';
//
// Header-only, C++17; uses std::expected and std::stop_token where the standard library has them.
// It stands on perceptis.h, which says more about each operation. Handles can be moved and not
// copied. Failures are thrown as perceptis::Error. Functions that are called try_... or that take a
// function give them as a perceptis::Expected.
#ifndef PERCEPTIS_HPP
#define PERCEPTIS_HPP

// In reading order, that of the sections of perceptis.h.
#include "perceptis/settings.hpp" // Settings: what a client is made from.
#include "perceptis/client.hpp"   // Client: calls that block, as values, as futures.
#include "perceptis/request.hpp"  // Request: what the service is asked to make.
#include "perceptis/options.hpp"  // Options: how one call is made.
#include "perceptis/result.hpp"   // Result, Accepted, Status, Progress: what calls return.
#include "perceptis/queue.hpp"    // Queue: calls that do not block.
#include "perceptis/error.hpp"    // Code and Error.
#include "perceptis/expected.hpp" // Expected: a result or an Error.

#endif
