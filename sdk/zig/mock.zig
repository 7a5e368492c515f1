//! The host of native tests: it records every call and answers like a host on
//! which nothing is blocked yet.
//!
//!     riposte.mock.alertIs("{\"data\":{\"srcip\":\"192.0.2.7\"}}");
//!     _ = try Block.add();
//!     try riposte.mock.expectCalls(&.{"firewall.block 192.0.2.7"});

const std = @import("std");
const riposte = @import("riposte.zig");

var memory = std.heap.ArenaAllocator.init(std.heap.page_allocator);
/// Everything of a test, until the next alert.
pub const allocator = memory.allocator();

const Refusal = struct { function: []const u8, failure: riposte.Failure };
const Pair = struct { name: []const u8, value: []const u8 };

var document: std.json.Value = .null;
var source: []const u8 = "{}";
var calls: std.ArrayList([]const u8) = .empty;
var logged: std.ArrayList([]const u8) = .empty;
var held: std.ArrayList([]const u8) = .empty;
var refusals: std.ArrayList(Refusal) = .empty;
var settings: std.ArrayList(Pair) = .empty;

/// A new host, and the alert that the response is called for.
pub fn alertIs(json: []const u8) void {
    _ = memory.reset(.free_all);
    calls = .empty;
    logged = .empty;
    held = .empty;
    refusals = .empty;
    settings = .empty;
    invocation.keys_are = &.{};
    invocation.arguments_are = &.{};
    source = json;
    document = std.json.parseFromSliceLeaky(std.json.Value, allocator, json, .{ .parse_numbers = false }) catch
        @panic("the alert of the test is no JSON");
}

/// From now on `function` (firewall.block) is refused.
pub fn refuse(function: []const u8, why: riposte.Failure) void {
    push(Refusal, &refusals, .{ .function = function, .failure = why });
}

/// From now on the operator has set this.
pub fn configIs(name: []const u8, value: []const u8) void {
    push(Pair, &settings, .{ .name = name, .value = value });
}

/// Every line of the log since the alert: info: blocked 192.0.2.7
pub fn lines_logged() []const []const u8 {
    return logged.items;
}

/// The calls since the alert, or since the last question.
pub fn expectCalls(expected: []const []const u8) !void {
    defer calls.clearRetainingCapacity();
    for (0..@max(expected.len, calls.items.len)) |i| {
        const came = if (i < calls.items.len) calls.items[i] else "no further call";
        const wanted = if (i < expected.len) expected[i] else "no further call";
        try std.testing.expectEqualStrings(wanted, came);
    }
}

/// What the response does is refused with this kind.
pub fn expectKind(kind: []const u8, result: anytype) !void {
    try std.testing.expectError(error.Refused, result);
    try std.testing.expectEqualStrings(kind, riposte.failure.kind);
}

fn push(comptime T: type, list: *std.ArrayList(T), item: T) void {
    list.append(allocator, item) catch @panic("out of memory");
}

fn print(comptime format: []const u8, arguments: anytype) []const u8 {
    return std.fmt.allocPrint(allocator, format, arguments) catch @panic("out of memory");
}

const Change = enum { make, undo, ask };

fn called(comptime interface: []const u8, comptime function: []const u8, target: []const u8, change: Change) riposte.Answer {
    push([]const u8, &calls, print("{s}.{s} {s}", .{ interface, function, target }));
    for (refusals.items) |refusal| {
        if (std.mem.eql(u8, refusal.function, interface ++ "." ++ function)) return .{ .refused = refusal.failure };
    }
    const key = print("{s} {s}", .{ interface, target });
    for (held.items, 0..) |item, i| {
        if (!std.mem.eql(u8, item, key)) continue;
        if (change == .undo) _ = held.swapRemove(i);
        return .{ .done = change != .make };
    }
    if (change == .make) push([]const u8, &held, key);
    return .{ .done = change == .make };
}

pub const firewall = struct {
    pub fn block(target: []const u8) riposte.Answer {
        return called("firewall", "block", target, .make);
    }
    pub fn unblock(target: []const u8) riposte.Answer {
        return called("firewall", "unblock", target, .undo);
    }
    pub fn blocked(target: []const u8) riposte.Answer {
        return called("firewall", "blocked", target, .ask);
    }
};

pub const routes = struct {
    pub fn blackhole(target: []const u8) riposte.Answer {
        return called("routes", "blackhole", target, .make);
    }
    pub fn restore(target: []const u8) riposte.Answer {
        return called("routes", "restore", target, .undo);
    }
};

pub const accounts = struct {
    pub fn lock(target: []const u8) riposte.Answer {
        return called("accounts", "lock", target, .make);
    }
    pub fn unlock(target: []const u8) riposte.Answer {
        return called("accounts", "unlock", target, .undo);
    }
};

pub const quarantine = struct {
    pub fn put(target: []const u8) riposte.Answer {
        return called("quarantine", "put", target, .make);
    }
    pub fn restore(target: []const u8) riposte.Answer {
        return called("quarantine", "restore", target, .undo);
    }
};

pub const lines = struct {
    pub fn ensure(file: []const u8, line: []const u8) riposte.Answer {
        return called("lines", "ensure", print("{s} {s}", .{ file, line }), .make);
    }
    pub fn remove(file: []const u8, line: []const u8) riposte.Answer {
        return called("lines", "remove", print("{s} {s}", .{ file, line }), .undo);
    }
};

pub const alert = struct {
    pub fn json() []const u8 {
        return source;
    }
    pub fn text(pointer: []const u8) ?[]const u8 {
        return switch (at(pointer) orelse return null) {
            .string => |string| string,
            .number_string => |digits| digits,
            .bool => |truth| if (truth) "true" else "false",
            else => null,
        };
    }
    pub fn number(pointer: []const u8) ?i64 {
        return switch (at(pointer) orelse return null) {
            .number_string => |digits| std.fmt.parseInt(i64, digits, 10) catch null,
            .string => |string| {
                for (string) |c| if (!std.ascii.isDigit(c)) return null;
                return std.fmt.parseInt(i64, string, 10) catch null;
            },
            else => null,
        };
    }

    /// Members of objects only: a native test asks for no more.
    fn at(pointer: []const u8) ?std.json.Value {
        const slashes = std.mem.startsWith(u8, pointer, "/");
        var names = std.mem.splitScalar(u8, if (slashes) pointer[1..] else pointer, if (slashes) '/' else '.');
        var value = document;
        while (names.next()) |name| {
            if (value != .object) return null;
            value = value.object.get(name) orelse return null;
        }
        return value;
    }
};

pub const invocation = struct {
    pub var keys_are: []const []const u8 = &.{};
    pub var arguments_are: []const []const u8 = &.{};

    pub fn command() []const u8 {
        return "test";
    }
    pub fn id() []const u8 {
        return "1";
    }
    pub fn tenant() []const u8 {
        return "default";
    }
    pub fn location() []const u8 {
        return "local";
    }
    pub fn attempt() u32 {
        return 1;
    }
    pub fn offence() u32 {
        return 1;
    }
    pub fn timeout() ?u64 {
        return 600;
    }
    pub fn arguments() []const []const u8 {
        return arguments_are;
    }
    pub fn keys() []const []const u8 {
        return keys_are;
    }
};

pub fn config(name: []const u8) ?[]const u8 {
    for (settings.items) |setting| {
        if (std.mem.eql(u8, setting.name, name)) return setting.value;
    }
    return null;
}

pub fn log(level: u8, message: []const u8) void {
    push([]const u8, &logged, print("{s}: {s}", .{ @tagName(@as(riposte.Level, @enumFromInt(level))), message }));
}
