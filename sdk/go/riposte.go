// Package riposte is for responses of Riposte in Go (experimental): see
// docs/sdk/go.md.
//
// A response is a type with the methods of [Reversible] or [Oneshot]; package
// reversible or oneshot makes a component of it. Every call of the engine runs
// in a fresh instance: nothing outlives it.
package riposte

import "fmt"

// Error says why something was not done.
type Error struct {
	// Kind is from an open vocabulary: invalid-input, no-key, denied,
	// unavailable, unsupported, timeout, failed.
	Kind string
	// Message is one line for the operator.
	Message string
	// Retry says whether the same call may succeed later.
	Retry bool
}

func (e *Error) Error() string { return e.Kind + ": " + e.Message }

// Failed is an error of kind failed.
func Failed(format string, arguments ...any) error {
	return &Error{Kind: "failed", Message: fmt.Sprintf(format, arguments...)}
}

// Invalid is an error of kind invalid-input.
func Invalid(format string, arguments ...any) error {
	return &Error{Kind: "invalid-input", Message: fmt.Sprintf(format, arguments...)}
}

// NoKey is an error of kind no-key: the alert does not hold what is acted on.
func NoKey(format string, arguments ...any) error {
	return &Error{Kind: "no-key", Message: fmt.Sprintf(format, arguments...)}
}

// Unavailable is an error of kind unavailable: to be tried again.
func Unavailable(format string, arguments ...any) error {
	return &Error{Kind: "unavailable", Message: fmt.Sprintf(format, arguments...), Retry: true}
}

// Invocation is what is known of the call beside the alert.
type Invocation struct {
	// Command is the name of the <command>.
	Command string
	// ID is the same for Keys, Add and Delete, also after a restart.
	ID string
	// Attempt counts from 1. From the second on, Add may find its own earlier work.
	Attempt uint32
	// Timeout is the seconds until Delete is due; 0 when the response is not undone.
	Timeout uint64
	// Offence says which offence of this target it is, from 1; always 1 during Keys.
	Offence uint32
	Tenant  string
	// Location is local, server, defined-agent or all.
	Location string
	// Arguments are the words of <extra_args>.
	Arguments []string
	// Keys is what the operator's <keys> found in the alert; empty when there are none.
	Keys []string
}

// Reversible is a response that is undone when its time is over.
type Reversible interface {
	// Add makes the effect and returns what Delete needs and the alert does not
	// hold. May be called again; what is done already is a success.
	Add() (receipt []byte, err error)
	// Delete undoes the effect. Must succeed without a receipt (nil), when
	// called twice, and when there was no Add before.
	Delete(receipt []byte) error
}

// Keyed is a [Reversible] that does not act on the source address.
type Keyed interface {
	// Keys says what the response would act on. Called first, with every effect
	// refused.
	Keys() ([]string, error)
}

// Oneshot is a response that happens once.
type Oneshot interface {
	Run() error
}

// KeysOf returns what the response would act on.
func KeysOf(response Reversible) ([]string, error) {
	if keyed, ok := response.(Keyed); ok {
		return keyed.Keys()
	}
	address, err := Srcip()
	return []string{address}, err
}

// Wazuh 4 in the order of its own responses, OSSEC, Wazuh 5.
var sourceAddress = []string{
	"/data/win/eventdata/ipAddress", "/data/win/eventdata/destinationIp", "/data/srcip", "/srcip", "/source/ip",
}

// Wazuh 4, OSSEC, Wazuh 5.
var userName = []string{"/data/dstuser", "/dstuser", "/user/name"}

// Srcip is the source address, as the alert writes it.
func Srcip() (string, error) {
	for _, pointer := range sourceAddress {
		// A number is no address: Wazuh passes over it too.
		if _, isNumber := Number(pointer); isNumber {
			continue
		}
		if text, ok := present(pointer); ok {
			return text, nil
		}
	}
	return "", NoKey("the alert has no source address (data.srcip)")
}

// User is the user that the alert is about, as the alert writes it.
func User() (string, error) {
	for _, pointer := range userName {
		if text, ok := present(pointer); ok {
			return text, nil
		}
	}
	return "", NoKey("the alert has no user (data.dstuser)")
}

// The text; "-" and the empty text stand for absence.
func present(pointer string) (string, bool) {
	text, ok := Text(pointer)
	return text, ok && text != "" && text != "-"
}

// Info writes one line to the engine's log.
func Info(format string, arguments ...any) { Log(LevelInfo, fmt.Sprintf(format, arguments...)) }

// Warn writes one line to the engine's log.
func Warn(format string, arguments ...any) { Log(LevelWarn, fmt.Sprintf(format, arguments...)) }

// Level says how much a line of the log matters.
type Level uint32

// The levels, from the least.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)
