//go:build wasip1

package oneshot

import (
	"unsafe"

	riposte "riposte.local/sdk"
)

//go:wasmexport active-response:plugin/oneshot@0.1.0#run
func run(_, _ uint32) (result unsafe.Pointer) {
	defer riposte.Recovered(&result)
	if err := response.Run(); err != nil {
		return riposte.Refused(err)
	}
	return riposte.Returned(nil)
}
