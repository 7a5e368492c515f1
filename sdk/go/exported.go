//go:build wasip1

package riposte

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"unsafe"
)

// What an exported function returns: result<list, error> and result<_, error>.
// It and what it points to have to stay until the host has read them.
var returned struct {
	refused, first, second, message, messageLength, retry uint32
}
var kept []any

func address(text string) (uint32, uint32) {
	if text == "" {
		return 1, 0
	}
	at, length, valid := lent(text)
	kept = append(kept, valid)
	return uint32(uintptr(at)), length
}

// Returned lays out a success with these bytes. For packages reversible and
// oneshot.
func Returned(bytes []byte) unsafe.Pointer {
	returned.refused = 0
	returned.first, returned.second = 1, uint32(len(bytes))
	if len(bytes) > 0 {
		kept = append(kept, bytes)
		returned.first = uint32(uintptr(unsafe.Pointer(&bytes[0])))
	}
	return unsafe.Pointer(&returned)
}

// ReturnedTexts lays out a success with these texts.
func ReturnedTexts(texts []string) unsafe.Pointer {
	list := make([]uint32, 0, 2*len(texts)+1)
	for _, text := range texts {
		at, length := address(text)
		list = append(list, at, length)
	}
	kept = append(kept, list)
	returned.refused = 0
	returned.first, returned.second = uint32(uintptr(unsafe.Pointer(unsafe.SliceData(list)))), uint32(len(texts))
	return unsafe.Pointer(&returned)
}

// Refused lays out an error.
func Refused(err error) unsafe.Pointer {
	var ours *Error
	if !errors.As(err, &ours) {
		ours = &Error{Kind: "failed", Message: err.Error()}
	}
	returned.refused = 1
	returned.first, returned.second = address(ours.Kind)
	// It may quote an alert of any length; the engine keeps as much.
	returned.message, returned.messageLength = address(beginning(ours.Message, 4096))
	returned.retry = 0
	if ours.Retry {
		returned.retry = 1
	}
	return unsafe.Pointer(&returned)
}

// Recovered makes an error of a panic, with its stack in the log. To be
// deferred.
func Recovered(result *unsafe.Pointer) {
	if cause := recover(); cause != nil {
		for _, line := range strings.Split(strings.TrimSpace(string(debug.Stack())), "\n") {
			Log(LevelError, line)
		}
		*result = Refused(&Error{Kind: "failed", Message: fmt.Sprint("panic: ", cause)})
	}
}

// ReceiptAt returns the receipt that the host handed over; nil when there is none.
func ReceiptAt(there, at, length uint32) []byte {
	if there == 0 {
		return nil
	}
	return append([]byte{}, bytesAt(at, length)...)
}
