// Sends the request, or reads the file, that the alert names: what every SDK has to
// bring of HTTP and of files.
#include "riposte.hpp"

struct Reach {
    static riposte::Result<> run() {
        if (auto path = riposte::alert::text("/data/read")) {
            riposte::info("read ", RIPOSTE_GET(riposte::read_file(*path)).size(), " bytes");
            return {};
        }
        auto url = riposte::alert::text("/data/url");
        if (!url) return riposte::no_key("the alert names nothing");
        riposte::http::Request request = {.url = std::string(*url)};
        if (auto method = riposte::alert::text("/data/method")) request.method = *method;
        if (auto value = riposte::alert::text("/data/header")) request.headers = {{"X-Probe", std::string(*value)}};
        if (auto body = riposte::alert::text("/data/body")) request.body = *body;
        for (auto times = riposte::alert::number("/data/times").value_or(1); times > 0; times--) {
            auto response = RIPOSTE_GET(riposte::http::send(request));
            riposte::info("answered ", response.status, ", ", response.header("X-Reply").value_or("none"), ", ",
                          response.body.size(), " bytes");
        }
        return {};
    }
};
RIPOSTE_EXPORT(Reach);
