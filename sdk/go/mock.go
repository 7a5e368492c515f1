//go:build !wasip1

package riposte

// The host of native tests: it records every call and answers like a host on
// which nothing is blocked yet.

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

var host = fresh()

type recording struct {
	alert    any
	calls    []string
	logged   []string
	held     map[string]bool
	refusals map[string]*Error
	config   map[string]string
	invoked  Invocation
}

func fresh() recording {
	return recording{
		held: map[string]bool{}, refusals: map[string]*Error{}, config: map[string]string{},
		invoked: Invocation{
			Command: "test", ID: "1", Attempt: 1, Timeout: 600, Offence: 1, Tenant: "default", Location: "local",
		},
	}
}

// AlertIs makes a new host, and the alert that the response is called for.
func AlertIs(text string) {
	host = fresh()
	reader := json.NewDecoder(strings.NewReader(text))
	reader.UseNumber()
	if err := reader.Decode(&host.alert); err != nil {
		panic("the alert of the test is no JSON: " + err.Error())
	}
}

// Refuse has a function (firewall.block) refused from now on.
func Refuse(function string, err *Error) { host.refusals[function] = err }

// ConfigIs sets a value of the configuration.
func ConfigIs(name, value string) { host.config[name] = value }

// Invoked tells what is known of the call.
func Invoked() Invocation { return host.invoked }

// InvocationIs sets what Invoked tells.
func InvocationIs(invoked Invocation) { host.invoked = invoked }

// Calls returns every call since the alert, or since the last question.
func Calls() []string {
	calls := host.calls
	host.calls = nil
	return calls
}

// Logged returns every line of the log since the alert: info: blocked 192.0.2.7
func Logged() []string { return host.logged }

func called(function, target string, makes bool) (bool, error) {
	host.calls = append(host.calls, function+" "+target)
	if err := host.refusals[function]; err != nil {
		return false, err
	}
	interfaceName, _, _ := strings.Cut(function, ".")
	key := interfaceName + " " + target
	held := host.held[key]
	host.held[key] = makes
	return held != makes, nil
}

// Block drops all packets from this address (<firewall/>); false when it was so.
func Block(address string) (bool, error) { return called("firewall.block", address, true) }

// Unblock ends what Block began; false when this response did not hold it.
func Unblock(address string) (bool, error) { return called("firewall.unblock", address, false) }

// Lock lets nobody log in as this user (<account/>); false when it was so.
func Lock(user string) (bool, error) { return called("accounts.lock", user, true) }

// Unlock ends what Lock began; false when this response did not hold it.
func Unlock(user string) (bool, error) { return called("accounts.unlock", user, false) }

// Quarantine takes a file out of reach (<quarantine/>); false when it was so.
func Quarantine(path string) (bool, error) { return called("quarantine.put", path, true) }

// Restore puts it back; false when this response did not hold it.
func Restore(path string) (bool, error) { return called("quarantine.restore", path, false) }

// Log writes one line to the engine's log.
func Log(level Level, message string) {
	name := [...]string{"trace", "debug", "info", "warn", "error"}[level]
	host.logged = append(host.logged, fmt.Sprintf("%s: %s", name, message))
}

// Config returns the value that the operator gave this name.
func Config(name string) (string, bool) {
	value, ok := host.config[name]
	return value, ok
}

// Text returns the text at a JSON Pointer such as /data/srcip; numbers and
// booleans as they are written.
func Text(pointer string) (string, bool) {
	switch value := at(pointer).(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case bool:
		return strconv.FormatBool(value), true
	}
	return "", false
}

// Number returns the whole number at a pointer, also when it is written as a
// text of digits.
func Number(pointer string) (int64, bool) {
	text := ""
	switch value := at(pointer).(type) {
	case json.Number:
		text = value.String()
	case string:
		if strings.Trim(value, "0123456789") != "" {
			return 0, false
		}
		text = value
	}
	number, err := strconv.ParseInt(text, 10, 64)
	return number, err == nil
}

// Members of objects only: a native test asks for no more.
func at(pointer string) any {
	separator := "."
	if strings.HasPrefix(pointer, "/") {
		pointer, separator = pointer[1:], "/"
	}
	value := host.alert
	for _, name := range strings.Split(pointer, separator) {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}
