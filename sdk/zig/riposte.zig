//! Write a response for Riposte in Zig (experimental): see docs/sdk/zig.md.
//!
//!     const riposte = @import("riposte");
//!
//!     const Block = struct {
//!         pub fn add() riposte.Error![]const u8 {
//!             const address = try riposte.srcip();
//!             _ = try riposte.firewall.block(address);
//!             riposte.info("blocked {s}", .{address});
//!             return "";
//!         }
//!         pub fn undo(receipt: ?[]const u8) riposte.Error!void { ... }
//!     };
//!     comptime { riposte.exportReversible(Block); }
//!
//! Every call of the engine runs in a fresh instance, for one alert: nothing has
//! to be freed, and nothing outlives the call.

const std = @import("std");
const builtin = @import("builtin");

/// A component asks the engine, a native test asks a host that records.
pub const in_component = builtin.cpu.arch.isWasm();
const host = if (in_component) @import("component.zig") else @import("mock.zig");

/// The host of native tests.
pub const mock = if (in_component) @compileError("riposte.mock is for `zig test`") else host;

/// Memory until the end of the call.
pub const allocator = host.allocator;

// ---- Results ----

/// Why something was not done stands in `failure`: an error of Zig carries no
/// text.
pub const Error = error{Refused};

/// Of a call that was refused.
pub const Failure = struct {
    /// From an open vocabulary: invalid-input, no-key, denied, unavailable,
    /// unsupported, timeout, failed.
    kind: []const u8,
    /// One line for the operator: what happened, and what to do about it.
    message: []const u8,
    /// Whether the same call may succeed later.
    retry: bool = false,
};

/// The failure of the last `error.Refused`.
pub var failure: Failure = .{ .kind = "failed", .message = "" };

/// Fails with a kind of its own.
pub fn refuse(kind: []const u8, comptime format: []const u8, arguments: anytype) Error {
    failure = .{ .kind = kind, .message = formatted(format, arguments), .retry = std.mem.eql(u8, kind, "unavailable") };
    return error.Refused;
}

/// The alert or an argument is unusable as it is.
pub fn invalid(comptime format: []const u8, arguments: anytype) Error {
    return refuse("invalid-input", format, arguments);
}

/// The alert does not hold what this response acts on.
pub fn noKey(comptime format: []const u8, arguments: anytype) Error {
    return refuse("no-key", format, arguments);
}

/// It did not work, and will not when tried again.
pub fn failed(comptime format: []const u8, arguments: anytype) Error {
    return refuse("failed", format, arguments);
}

fn formatted(comptime format: []const u8, arguments: anytype) []const u8 {
    return std.fmt.allocPrint(allocator, format, arguments) catch @panic("out of memory");
}

// ---- The alert and the call ----

pub const alert = struct {
    /// The whole alert as JSON.
    pub fn json() []const u8 {
        return host.alert.json();
    }
    /// The text at a JSON Pointer such as /data/srcip, or at data.srcip; numbers
    /// and booleans as they are written.
    pub fn text(pointer: []const u8) ?[]const u8 {
        return host.alert.text(pointer);
    }
    /// The whole number at a pointer, also when it is written as a text of digits.
    pub fn number(pointer: []const u8) ?i64 {
        return host.alert.number(pointer);
    }
};

/// Wazuh 4 in the order of its own responses, OSSEC, Wazuh 5.
const source_address = [_][]const u8{
    "/data/win/eventdata/ipAddress", "/data/win/eventdata/destinationIp", "/data/srcip", "/srcip", "/source/ip",
};
/// Wazuh 4, OSSEC, Wazuh 5.
const user_name = [_][]const u8{ "/data/dstuser", "/dstuser", "/user/name" };

/// The source address, as the alert writes it; no-key when it has none.
pub fn srcip() Error![]const u8 {
    for (source_address) |pointer| {
        // A number is no address: Wazuh passes over it too.
        if (alert.number(pointer) != null) continue;
        if (present(pointer)) |text| return text;
    }
    return noKey("the alert has no source address (data.srcip)", .{});
}

/// The user that the alert is about; no-key when it has none.
pub fn user() Error![]const u8 {
    for (user_name) |pointer| {
        if (present(pointer)) |text| return text;
    }
    return noKey("the alert has no user (data.dstuser)", .{});
}

/// A text; "-" and the empty text stand for absence.
fn present(pointer: []const u8) ?[]const u8 {
    const text = alert.text(pointer) orelse return null;
    return if (text.len == 0 or std.mem.eql(u8, text, "-")) null else text;
}

pub const invocation = host.invocation;

/// The value that the operator gave this name.
pub fn config(name: []const u8) ?[]const u8 {
    return host.config(name);
}

/// How much a line of the log matters.
pub const Level = enum(u8) { trace, debug, info, warn, @"error" };

/// Writes one line to the engine's log.
pub fn log(level: Level, comptime format: []const u8, arguments: anytype) void {
    host.log(@intFromEnum(level), formatted(format, arguments));
}
pub fn info(comptime format: []const u8, arguments: anytype) void {
    log(.info, format, arguments);
}
pub fn warn(comptime format: []const u8, arguments: anytype) void {
    log(.warn, format, arguments);
}

// ---- Capabilities: each needs its element in the command's <capabilities> ----
//
// The answer is false when it was so already, or when this response did not
// hold it.

pub const firewall = struct {
    pub fn block(address: []const u8) Error!bool {
        return answer(host.firewall.block(address));
    }
    pub fn unblock(address: []const u8) Error!bool {
        return answer(host.firewall.unblock(address));
    }
    pub fn blocked(address: []const u8) Error!bool {
        return answer(host.firewall.blocked(address));
    }
};

pub const routes = struct {
    pub fn blackhole(address: []const u8) Error!bool {
        return answer(host.routes.blackhole(address));
    }
    pub fn restore(address: []const u8) Error!bool {
        return answer(host.routes.restore(address));
    }
};

pub const accounts = struct {
    pub fn lock(name: []const u8) Error!bool {
        return answer(host.accounts.lock(name));
    }
    pub fn unlock(name: []const u8) Error!bool {
        return answer(host.accounts.unlock(name));
    }
};

pub const lines = struct {
    pub fn ensure(file: []const u8, line: []const u8) Error!bool {
        return answer(host.lines.ensure(file, line));
    }
    pub fn remove(file: []const u8, line: []const u8) Error!bool {
        return answer(host.lines.remove(file, line));
    }
};

pub const quarantine = struct {
    pub fn put(path: []const u8) Error!bool {
        return answer(host.quarantine.put(path));
    }
    pub fn restore(path: []const u8) Error!bool {
        return answer(host.quarantine.restore(path));
    }
};

/// What a host call answered.
pub const Answer = union(enum) { done: bool, refused: Failure };

fn answer(came: Answer) Error!bool {
    switch (came) {
        .done => |changed| return changed,
        .refused => |why| {
            failure = why;
            return error.Refused;
        },
    }
}

// ---- The response ----

/// Makes the component export a response that is undone: `add` and `undo`, and
/// `keys` when it is not the source address.
pub fn exportReversible(comptime T: type) void {
    if (in_component) host.exportReversible(T, keysOf(T));
}

/// Makes the component export a response that happens once: `run`.
pub fn exportOneshot(comptime T: type) void {
    if (in_component) host.exportOneshot(T);
}

/// What the response would act on.
pub fn keysOf(comptime T: type) fn () Error![]const []const u8 {
    if (@hasDecl(T, "keys")) return T.keys;
    return struct {
        fn keys() Error![]const []const u8 {
            const list = allocator.alloc([]const u8, 1) catch @panic("out of memory");
            list[0] = try srcip();
            return list;
        }
    }.keys;
}
