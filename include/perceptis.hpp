// libperceptis for C++: a prompt in, a .pptx on disk, and no deck lost or bought twice on the way.
//
//     perceptis::Client client;                                   // PERCEPTIS_API_KEY decides who pays
//     perceptis::Result result = client.run(perceptis::Request::deck("Why teams adopt Rust"));
//     std::cout << result.files().front().path().string() << '\n';
//
// Header-only, C++17; uses std::expected and std::stop_token where the standard library has them. It stands on
// perceptis.h, which says more about each operation. Handles can be moved and not copied. Failures are thrown as
// perceptis::Error, or come as a perceptis::Expected from what is called try_... or takes a function.
#ifndef PERCEPTIS_HPP
#define PERCEPTIS_HPP

#include "perceptis/client.hpp"
#include "perceptis/error.hpp"
#include "perceptis/expected.hpp"
#include "perceptis/options.hpp"
#include "perceptis/queue.hpp"
#include "perceptis/request.hpp"
#include "perceptis/result.hpp"
#include "perceptis/settings.hpp"

#endif
