//go:build wasip1

package riposte

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// The host puts what it returns here. It must not come from Go's heap: a call of
// the host would then begin a collection, which calls WASI, and a component may
// not call out while it is being handed something.
var arena [8 << 20]byte
var arenaUsed uint32

//go:wasmexport cabi_realloc
func cabiRealloc(old, oldLength, alignment, length uint32) uint32 {
	if length == 0 {
		return alignment
	}
	begin := (arenaUsed + 7) &^ 7
	if uint64(begin)+uint64(length) > uint64(len(arena)) {
		// There is nobody to tell: the call ends.
		panic("the host returned more than the SDK for Go has room for")
	}
	arenaUsed = begin + length
	if old != 0 {
		copy(arena[begin:arenaUsed], bytesAt(old, min(oldLength, length)))
	}
	return uint32(uintptr(unsafe.Pointer(&arena[begin])))
}

func bytesAt(at, length uint32) []byte {
	if length == 0 {
		return nil
	}
	begin := uintptr(unsafe.Pointer(&arena[0]))
	// All that the host returns lies in the arena.
	offset := uintptr(at) - begin
	return arena[offset : offset+uintptr(length)]
}

func textAt(at, length uint32) string { return string(bytesAt(at, length)) }

// A text for the host, which ends a component that gives it anything but UTF-8.
func lent(text string) (unsafe.Pointer, uint32, string) {
	valid := strings.ToValidUTF8(text, "?")
	return unsafe.Pointer(unsafe.StringData(valid)), uint32(len(valid)), valid
}

// result<bool, error> and result<_, error>: only the low byte of each flag is
// written.
type changed struct {
	refused, value, kindLength, message, messageLength, retry uint32
}

func (c *changed) answer() (bool, error) {
	if c.refused&0xff == 0 {
		return c.value&0xff != 0, nil
	}
	// An error begins with the address of its kind, where a success has its value.
	return false, &Error{
		Kind:    textAt(c.value, c.kindLength),
		Message: textAt(c.message, c.messageLength),
		Retry:   c.retry&0xff != 0,
	}
}

type maybeText struct{ there, at, length uint32 }
type maybeNumber struct {
	there, _ uint32
	number   int64
}

//go:wasmimport active-response:plugin/alert@0.1.0 text
func alertText(pointer unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/alert@0.1.0 number
func alertNumber(pointer unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/log@0.1.0 log
func logLog(level uint32, message unsafe.Pointer, length uint32)

//go:wasmimport active-response:plugin/config@0.1.0 get
func configGet(name unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/invocation@0.1.0 command
func invocationCommand(out unsafe.Pointer)

//go:wasmimport active-response:plugin/invocation@0.1.0 id
func invocationID(out unsafe.Pointer)

//go:wasmimport active-response:plugin/invocation@0.1.0 attempt
func invocationAttempt() uint32

//go:wasmimport active-response:plugin/invocation@0.1.0 timeout
func invocationTimeout(out unsafe.Pointer)

//go:wasmimport active-response:plugin/invocation@0.1.0 offence
func invocationOffence() uint32

//go:wasmimport active-response:plugin/invocation@0.1.0 tenant
func invocationTenant(out unsafe.Pointer)

//go:wasmimport active-response:plugin/invocation@0.1.0 location
func invocationLocation(out unsafe.Pointer)

//go:wasmimport active-response:plugin/invocation@0.1.0 arguments
func invocationArguments(out unsafe.Pointer)

//go:wasmimport active-response:plugin/invocation@0.1.0 keys
func invocationKeys(out unsafe.Pointer)

//go:wasmimport active-response:plugin/firewall@0.1.0 block
func firewallBlock(target unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/firewall@0.1.0 unblock
func firewallUnblock(target unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/accounts@0.1.0 lock
func accountsLock(target unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/accounts@0.1.0 unlock
func accountsUnlock(target unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/quarantine@0.1.0 put
func quarantinePut(target unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport active-response:plugin/quarantine@0.1.0 restore
func quarantineRestore(target unsafe.Pointer, length uint32, out unsafe.Pointer)

// A list or a text: where it lies, and how long it is.
type span struct{ at, length uint32 }

func (s *span) text() string { return textAt(s.at, s.length) }

func (s *span) texts() []string {
	texts := make([]string, s.length)
	for i := range texts {
		pair := bytesAt(s.at+8*uint32(i), 8)
		texts[i] = textAt(binary.LittleEndian.Uint32(pair), binary.LittleEndian.Uint32(pair[4:]))
	}
	return texts
}

// Invoked tells what is known of the call.
func Invoked() Invocation {
	var command, id, tenant, location, arguments, keys span
	var timeout maybeNumber
	invocationCommand(unsafe.Pointer(&command))
	invocationID(unsafe.Pointer(&id))
	invocationTimeout(unsafe.Pointer(&timeout))
	invocationTenant(unsafe.Pointer(&tenant))
	invocationLocation(unsafe.Pointer(&location))
	invocationArguments(unsafe.Pointer(&arguments))
	invocationKeys(unsafe.Pointer(&keys))
	invoked := Invocation{
		Command: command.text(), ID: id.text(), Attempt: invocationAttempt(), Offence: invocationOffence(),
		Tenant: tenant.text(), Location: location.text(), Arguments: arguments.texts(), Keys: keys.texts(),
	}
	if timeout.there&0xff != 0 {
		invoked.Timeout = uint64(timeout.number)
	}
	return invoked
}

// Text returns the text at a JSON Pointer such as /data/srcip; numbers and
// booleans as they are written.
func Text(pointer string) (string, bool) {
	var out maybeText
	at, length, _ := lent(pointer)
	alertText(at, length, unsafe.Pointer(&out))
	if out.there&0xff == 0 {
		return "", false
	}
	return textAt(out.at, out.length), true
}

// Number returns the whole number at a pointer, also when it is written as a
// text of digits.
func Number(pointer string) (int64, bool) {
	var out maybeNumber
	at, length, _ := lent(pointer)
	alertNumber(at, length, unsafe.Pointer(&out))
	return out.number, out.there&0xff != 0
}

// Its first bytes, and no part of a letter: what is too long to be handed over
// would end the call as a crash.
func beginning(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// Log writes one line to the engine's log.
func Log(level Level, message string) {
	// Twice what a call may write: so the engine sees that there was more.
	at, length, _ := lent(beginning(message, 16<<10))
	logLog(uint32(level), at, length)
}

// Config returns the value that the operator gave this name.
func Config(name string) (string, bool) {
	var out maybeText
	at, length, _ := lent(name)
	configGet(at, length, unsafe.Pointer(&out))
	if out.there&0xff == 0 {
		return "", false
	}
	return textAt(out.at, out.length), true
}

// Block drops all packets from this address (<firewall/>); false when it was so.
func Block(address string) (bool, error) {
	var out changed
	at, length, _ := lent(address)
	firewallBlock(at, length, unsafe.Pointer(&out))
	return out.answer()
}

// Unblock ends what Block began; false when this response did not hold it.
func Unblock(address string) (bool, error) {
	var out changed
	at, length, _ := lent(address)
	firewallUnblock(at, length, unsafe.Pointer(&out))
	return out.answer()
}

// Lock lets nobody log in as this user (<account/>); false when it was so.
func Lock(user string) (bool, error) {
	var out changed
	at, length, _ := lent(user)
	accountsLock(at, length, unsafe.Pointer(&out))
	return out.answer()
}

// Unlock ends what Lock began; false when this response did not hold it.
func Unlock(user string) (bool, error) {
	var out changed
	at, length, _ := lent(user)
	accountsUnlock(at, length, unsafe.Pointer(&out))
	return out.answer()
}

// Quarantine takes a file out of reach (<quarantine/>); false when it was so.
func Quarantine(path string) (bool, error) {
	var out changed
	at, length, _ := lent(path)
	quarantinePut(at, length, unsafe.Pointer(&out))
	return out.answer()
}

// Restore puts it back; false when this response did not hold it.
func Restore(path string) (bool, error) {
	var out changed
	at, length, _ := lent(path)
	quarantineRestore(at, length, unsafe.Pointer(&out))
	return out.answer()
}
