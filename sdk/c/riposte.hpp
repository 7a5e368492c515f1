// Write a response for Riposte in C++20: see docs/sdk/c.md.
//
//     struct Block {
//         static riposte::Result<riposte::Receipt> add() {
//             auto address = RIPOSTE_GET(riposte::srcip());
//             RIPOSTE_GET(riposte::firewall::block(address));
//             riposte::info("blocked ", address);
//             return riposte::Receipt{};
//         }
//         static riposte::Result<> undo(std::optional<riposte::Receipt>);
//     };
//     RIPOSTE_EXPORT(Block);
//
// There are no exceptions in a component: a function returns its value or an
// error. Every call of the engine runs in a fresh instance; what a function of
// this header returns as a view lives until the call ends.
#ifndef RIPOSTE_HPP
#define RIPOSTE_HPP

#include <concepts>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "riposte.h"

namespace riposte {

// ---- Results ----

// Why something was not done.
struct Error {
    // From an open vocabulary: invalid-input, no-key, denied, unavailable,
    // unsupported, timeout, failed.
    std::string kind;
    // One line for the operator: what happened, and what to do about it.
    std::string message;
    // Whether the same call may succeed later; the engine then tries again.
    bool retry = false;
};

// A value, or why there is none. To ask for the other one ends the call.
template <typename T = void>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    Result(Error error) : error_(std::move(error)) {}

    explicit operator bool() const { return value_.has_value(); }
    T &operator*() { return value_ ? *value_ : (std::abort(), *value_); }
    T *operator->() { return &**this; }
    const Error &error() const { return value_ ? (std::abort(), error_) : error_; }

private:
    std::optional<T> value_;
    Error error_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    explicit operator bool() const { return !error_; }
    void operator*() const {
        if (error_) std::abort();
    }
    const Error &error() const { return error_ ? *error_ : (std::abort(), *error_); }

private:
    std::optional<Error> error_;
};

// The value, or a return with the error from the function that it stands in.
#define RIPOSTE_GET(call)                                        \
    __extension__({                                              \
        auto riposte_result_ = (call);                           \
        if (!riposte_result_) return riposte_result_.error();    \
        *riposte_result_;                                        \
    })

namespace detail {

inline void append(std::string &text, std::string_view part) { text += part; }
inline void append(std::string &text, char part) { text += part; }
template <std::integral N>
void append(std::string &text, N number) { text += std::to_string(number); }

template <typename... Parts>
std::string joined(const Parts &...parts) {
    std::string text;
    (append(text, parts), ...);
    return text;
}

inline Error error(riposte_result result) { return {result->kind, result->message, result->retry}; }

inline std::vector<std::string_view> views(riposte_list list) { return {list.items, list.items + list.count}; }

inline std::string string(riposte_bytes bytes) {
    return {reinterpret_cast<const char *>(bytes.data), bytes.length};
}

inline riposte_bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()};
}

// A text for C, which ends at the first zero byte: none for one that has its own.
inline const char *c(std::string_view text) {
    if (text.find('\0') != text.npos) return nullptr;
    auto *copy = static_cast<char *>(riposte_alloc(text.size() + 1));
    if (!text.empty()) std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = 0;
    return copy;
}

// A text without zero bytes as JSON, without its quotes.
inline std::string unquoted(std::string_view text) {
    std::string json = riposte_json_string(c(text));
    return json.substr(1, json.size() - 2);
}

inline Error zero() { return {"invalid-input", "an argument of a host call holds a zero byte", false}; }

using Changes = riposte_result (*)(const char *, bool *);

inline Result<bool> changes(Changes function, std::string_view target) {
    bool answer = false;
    const char *text = c(target);
    if (!text) return zero();
    if (auto refused = function(text, &answer)) return error(refused);
    return answer;
}

inline Result<bool> changes(riposte_result (*function)(const char *, const char *, bool *), std::string_view first,
                            std::string_view second) {
    bool answer = false;
    const char *one = c(first), *two = c(second);
    if (!one || !two) return zero();
    if (auto refused = function(one, two, &answer)) return error(refused);
    return answer;
}

inline Result<bool> changes(riposte_result (*function)(bool *)) {
    bool answer = false;
    if (auto refused = function(&answer)) return error(refused);
    return answer;
}

inline Result<> acts(riposte_result (*function)(const char *), std::string_view target) {
    const char *text = c(target);
    if (!text) return zero();
    if (auto refused = function(text)) return error(refused);
    return {};
}

} // namespace detail

// It did not work, and will not when tried again.
template <typename... Parts>
Error failed(const Parts &...parts) { return {"failed", detail::joined(parts...), false}; }
// The alert or an argument is unusable as it is.
template <typename... Parts>
Error invalid(const Parts &...parts) { return {"invalid-input", detail::joined(parts...), false}; }
// The alert does not hold what this response acts on.
template <typename... Parts>
Error no_key(const Parts &...parts) { return {"no-key", detail::joined(parts...), false}; }
// Something did not answer; to be tried again.
template <typename... Parts>
Error unavailable(const Parts &...parts) { return {"unavailable", detail::joined(parts...), true}; }

// ---- Context ----

// What `undo` needs and the alert does not hold: at most 64 KiB of bytes.
struct Receipt {
    std::string bytes;
};

namespace alert {
inline std::string_view json() { return riposte_alert_json(); }
// The text at a JSON Pointer such as /data/srcip, or at data.srcip.
inline std::optional<std::string_view> text(const char *pointer) {
    const char *text = riposte_alert_text(pointer);
    if (!text) return std::nullopt;
    return text;
}
inline std::optional<std::int64_t> number(const char *pointer) {
    std::int64_t number;
    if (!riposte_alert_number(pointer, &number)) return std::nullopt;
    return number;
}
} // namespace alert

// The source address, as the alert writes it; no-key when it has none.
inline Result<std::string_view> srcip() {
    const char *address;
    if (auto missing = riposte_srcip(&address)) return detail::error(missing);
    return std::string_view(address);
}

// The user that the alert is about; no-key when it has none.
inline Result<std::string_view> user() {
    const char *user;
    if (auto missing = riposte_user(&user)) return detail::error(missing);
    return std::string_view(user);
}

namespace invocation {
inline std::string_view command() { return riposte_invocation_command(); }
inline std::string_view id() { return riposte_invocation_id(); }
inline std::uint32_t attempt() { return riposte_invocation_attempt(); }
inline std::optional<std::uint64_t> timeout() {
    std::uint64_t seconds;
    if (!riposte_invocation_timeout(&seconds)) return std::nullopt;
    return seconds;
}
inline std::uint32_t offence() { return riposte_invocation_offence(); }
inline std::string_view tenant() { return riposte_invocation_tenant(); }
inline std::string_view location() { return riposte_invocation_location(); }
inline std::vector<std::string_view> arguments() { return detail::views(riposte_invocation_arguments()); }
inline std::vector<std::string_view> keys() { return detail::views(riposte_invocation_keys()); }
} // namespace invocation

// One line to the engine's log, of texts and whole numbers.
template <typename... Parts>
void info(const Parts &...parts) { riposte_log(RIPOSTE_INFO, detail::joined(parts...).c_str()); }
template <typename... Parts>
void warn(const Parts &...parts) { riposte_log(RIPOSTE_WARN, detail::joined(parts...).c_str()); }
template <typename... Parts>
void log_error(const Parts &...parts) { riposte_log(RIPOSTE_ERROR, detail::joined(parts...).c_str()); }

// What the operator set for this name.
inline std::optional<std::string_view> config(const char *name) {
    const char *value = riposte_config(name);
    if (!value) return std::nullopt;
    return value;
}

inline Result<std::string_view> secret(const char *name) {
    const char *value;
    if (auto refused = riposte_secret(name, &value)) return detail::error(refused);
    return std::string_view(value);
}

inline std::string json_string(std::string_view text) {
    // C's ends at a zero byte, which JSON can hold: what is between them, one by one.
    std::string json = "\"";
    for (std::size_t zero; (zero = text.find('\0')) != text.npos; text.remove_prefix(zero + 1)) {
        json += detail::unquoted(text.substr(0, zero)) + "\\u0000";
    }
    return json + detail::unquoted(text) + "\"";
}

// ---- Capabilities: each needs its element in the command's <capabilities> ----
//
// A Result<bool> is false when it was so already, or when this response did not
// hold it.

namespace firewall {
inline Result<bool> block(std::string_view address) { return detail::changes(riposte_firewall_block, address); }
inline Result<bool> unblock(std::string_view address) { return detail::changes(riposte_firewall_unblock, address); }
inline Result<bool> blocked(std::string_view address) { return detail::changes(riposte_firewall_blocked, address); }
} // namespace firewall

namespace routes {
inline Result<bool> blackhole(std::string_view address) { return detail::changes(riposte_routes_blackhole, address); }
inline Result<bool> restore(std::string_view address) { return detail::changes(riposte_routes_restore, address); }
inline Result<bool> blackholed(std::string_view address) { return detail::changes(riposte_routes_blackholed, address); }
} // namespace routes

namespace accounts {
inline Result<bool> lock(std::string_view user) { return detail::changes(riposte_accounts_lock, user); }
inline Result<bool> unlock(std::string_view user) { return detail::changes(riposte_accounts_unlock, user); }
inline Result<bool> locked(std::string_view user) { return detail::changes(riposte_accounts_locked, user); }
inline Result<std::uint32_t> end_sessions(std::string_view user) {
    const char *text = detail::c(user);
    std::uint32_t processes = 0;
    if (!text) return detail::zero();
    if (auto refused = riposte_accounts_end_sessions(text, &processes)) return detail::error(refused);
    return processes;
}
} // namespace accounts

namespace services {
inline Result<> restart(std::string_view unit) { return detail::acts(riposte_services_restart, unit); }
inline Result<> reload(std::string_view unit) { return detail::acts(riposte_services_reload, unit); }
inline Result<bool> start(std::string_view unit) { return detail::changes(riposte_services_start, unit); }
inline Result<bool> stop(std::string_view unit) { return detail::changes(riposte_services_stop, unit); }
inline Result<bool> active(std::string_view unit) { return detail::changes(riposte_services_active, unit); }
} // namespace services

namespace lines {
inline Result<bool> ensure(std::string_view file, std::string_view line) {
    return detail::changes(riposte_lines_ensure, file, line);
}
inline Result<bool> remove(std::string_view file, std::string_view line) {
    return detail::changes(riposte_lines_remove, file, line);
}
inline Result<bool> contains(std::string_view file, std::string_view line) {
    return detail::changes(riposte_lines_contains, file, line);
}
} // namespace lines

namespace processes {
inline Result<std::vector<std::uint32_t>> running(std::string_view name) {
    const char *text = detail::c(name);
    riposte_numbers found;
    if (!text) return detail::zero();
    if (auto refused = riposte_processes_running(text, &found)) return detail::error(refused);
    return std::vector<std::uint32_t>(found.items, found.items + found.count);
}
inline Result<bool> kill(std::uint32_t process, std::string_view name) {
    const char *text = detail::c(name);
    bool changed = false;
    if (!text) return detail::zero();
    if (auto refused = riposte_processes_kill(process, text, &changed)) return detail::error(refused);
    return changed;
}
} // namespace processes

namespace exec {
struct Output {
    std::int32_t status = 0;
    std::string standard_output, standard_error;
    bool truncated = false;
};
inline Result<Output> run(std::string_view program, std::initializer_list<std::string_view> arguments,
                          std::string_view input = {}) {
    const char *text = detail::c(program);
    std::vector<const char *> words;
    for (auto argument : arguments) words.push_back(detail::c(argument));
    for (const char *word : words) {
        if (!word) return detail::zero();
    }
    words.push_back(nullptr);
    riposte_output output;
    if (!text) return detail::zero();
    if (auto refused = riposte_exec_run(text, words.data(), detail::bytes(input), &output)) return detail::error(refused);
    return Output{output.status, detail::string(output.standard_output), detail::string(output.standard_error),
                  output.truncated};
}
} // namespace exec

namespace state {
inline Result<std::optional<std::string>> get(const char *key) {
    riposte_bytes value;
    if (auto refused = riposte_state_get(key, &value)) return detail::error(refused);
    if (!value.data) return std::optional<std::string>();
    return std::optional(detail::string(value));
}
inline Result<> set(const char *key, std::string_view value) {
    if (auto refused = riposte_state_set(key, detail::bytes(value))) return detail::error(refused);
    return {};
}
inline Result<bool> remove(const char *key) { return detail::changes(riposte_state_remove, key); }
inline Result<std::vector<std::string_view>> keys(const char *prefix) {
    riposte_list found;
    if (auto refused = riposte_state_keys(prefix, &found)) return detail::error(refused);
    return detail::views(found);
}
} // namespace state

namespace quarantine {
inline Result<bool> put(std::string_view path) { return detail::changes(riposte_quarantine_put, path); }
inline Result<bool> restore(std::string_view path) { return detail::changes(riposte_quarantine_restore, path); }
inline Result<bool> holds(std::string_view path) { return detail::changes(riposte_quarantine_holds, path); }
} // namespace quarantine

namespace isolation {
inline Result<bool> isolate() { return detail::changes(riposte_isolation_isolate); }
inline Result<bool> release() { return detail::changes(riposte_isolation_release); }
inline Result<bool> isolated() { return detail::changes(riposte_isolation_isolated); }
} // namespace isolation

namespace mail {
inline Result<> send(std::string_view subject, std::string_view text) {
    const char *first = detail::c(subject), *second = detail::c(text);
    if (!first || !second) return detail::zero();
    if (auto refused = riposte_mail_send(first, second)) return detail::error(refused);
    return {};
}
} // namespace mail

namespace http {
struct Request {
    std::string method = "GET";
    std::string url;
    // Host, Content-Length and others that frame the request are not yours.
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
};
struct Response {
    std::uint16_t status = 0;
    std::string body;
    // What came before the body, in order; names are in small letters.
    std::vector<std::pair<std::string, std::string>> headers = {};
    // The first header of this name, in whatever case: Retry-After.
    std::optional<std::string_view> header(std::string_view name) const {
        std::string wanted(name);
        for (char &c : wanted) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        for (auto &[known, value] : headers) {
            if (known == wanted) return value;
        }
        return std::nullopt;
    }
    bool is_success() const { return status >= 200 && status < 300; }
};
// Sends one request and waits for the whole answer. Any status is an answer.
inline Result<Response> send(const Request &request) {
    std::vector<riposte_header> headers;
    for (auto &[name, value] : request.headers) headers.push_back({detail::c(name), detail::c(value)});
    for (auto &header : headers) {
        if (!header.name || !header.value) return detail::zero();
    }
    const char *method = detail::c(request.method), *url = detail::c(request.url);
    if (!method || !url) return detail::zero();
    riposte_request sent = {method, url, headers.data(), headers.size(), detail::bytes(request.body)};
    riposte_response answer;
    if (auto refused = riposte_http_send(&sent, &answer)) return detail::error(refused);
    Response response = {answer.status, detail::string(answer.body)};
    for (std::size_t i = 0; i < answer.header_count; i++) {
        response.headers.emplace_back(answer.headers[i].name, answer.headers[i].value);
    }
    return response;
}
} // namespace http

// The whole of a file in a granted folder, by its absolute path on the host.
inline Result<std::string> read_file(std::string_view path) {
    const char *text = detail::c(path);
    riposte_bytes content;
    if (!text) return detail::zero();
    if (auto refused = riposte_read_file(text, &content)) return detail::error(refused);
    return detail::string(content);
}

// ---- The response ----

// A response that is undone. `keys` may be left out: it is then the source
// address.
template <typename T>
concept Reversible = requires(std::optional<Receipt> receipt) {
    { T::add() } -> std::same_as<Result<Receipt>>;
    { T::undo(receipt) } -> std::same_as<Result<>>;
};

template <typename T>
concept Oneshot = requires {
    { T::run() } -> std::same_as<Result<>>;
};

namespace detail {

inline riposte_result given(const Error &error) {
    auto *made = static_cast<riposte_error *>(riposte_alloc(sizeof(riposte_error)));
    const char *kind = c(error.kind), *message = c(error.message);
    *made = {kind ? kind : "failed", message ? message : "the message holds a zero byte", error.retry};
    return made;
}

template <typename T>
riposte_result keys() {
    Result<std::vector<std::string>> told = T::keys();
    if (!told) return given(told.error());
    for (auto &key : *told) {
        const char *text = c(key);
        if (!text) return given(invalid("a key holds a zero byte"));
        riposte_key(text);
    }
    return RIPOSTE_OK;
}

template <typename T>
riposte_result add() {
    Result<Receipt> receipt = T::add();
    if (!receipt) return given(receipt.error());
    riposte_receipt(receipt->bytes.data(), receipt->bytes.size());
    return RIPOSTE_OK;
}

template <typename T>
riposte_result undo(const riposte_bytes *receipt) {
    std::optional<Receipt> kept;
    if (receipt) kept = Receipt{string(*receipt)};
    Result<> undone = T::undo(std::move(kept));
    return undone ? RIPOSTE_OK : given(undone.error());
}

template <typename T>
riposte_result run() {
    Result<> done = T::run();
    return done ? RIPOSTE_OK : given(done.error());
}

template <typename T>
constexpr struct riposte_reversible reversible() {
    if constexpr (Reversible<T>) {
        if constexpr (requires { T::keys(); }) return {keys<T>, add<T>, undo<T>};
        else return {nullptr, add<T>, undo<T>};
    } else return {nullptr, nullptr, nullptr};
}

template <typename T>
constexpr struct riposte_oneshot oneshot() {
    if constexpr (Oneshot<T>) return {run<T>};
    else return {nullptr};
}

} // namespace detail
} // namespace riposte

#if defined(RIPOSTE_KIND_oneshot)
#define RIPOSTE_IS_OF_ITS_KIND(type) \
    static_assert(riposte::Oneshot<type>, "a oneshot has: static riposte::Result<> run()")
#elif defined(RIPOSTE_KIND_reversible)
#define RIPOSTE_IS_OF_ITS_KIND(type)                                                                             \
    static_assert(riposte::Reversible<type>,                                                                     \
                  "a reversible response has: static riposte::Result<riposte::Receipt> add() and "               \
                  "static riposte::Result<> undo(std::optional<riposte::Receipt>)")
#else
#define RIPOSTE_IS_OF_ITS_KIND(type) \
    static_assert(riposte::Reversible<type> || riposte::Oneshot<type>, "it is neither Reversible nor Oneshot")
#endif

// Makes the component export this type.
#define RIPOSTE_EXPORT(type)                                                                                 \
    RIPOSTE_IS_OF_ITS_KIND(type);                                                                            \
    extern "C" const struct riposte_reversible riposte_reversible = riposte::detail::reversible<type>();      \
    extern "C" const struct riposte_oneshot riposte_oneshot = riposte::detail::oneshot<type>()

#endif
