//go:build wasip1

package reversible

import (
	"unsafe"

	riposte "riposte.local/sdk"
)

//go:wasmexport active-response:plugin/reversible@0.1.0#keys
func keys(_, _ uint32) (result unsafe.Pointer) {
	defer riposte.Recovered(&result)
	told, err := riposte.KeysOf(response)
	if err != nil {
		return riposte.Refused(err)
	}
	return riposte.ReturnedTexts(told)
}

//go:wasmexport active-response:plugin/reversible@0.1.0#add
func add(_, _ uint32) (result unsafe.Pointer) {
	defer riposte.Recovered(&result)
	receipt, err := response.Add()
	if err != nil {
		return riposte.Refused(err)
	}
	return riposte.Returned(receipt)
}

//go:wasmexport active-response:plugin/reversible@0.1.0#delete
func remove(_, _, there, at, length uint32) (result unsafe.Pointer) {
	defer riposte.Recovered(&result)
	if err := response.Delete(riposte.ReceiptAt(there, at, length)); err != nil {
		return riposte.Refused(err)
	}
	return riposte.Returned(nil)
}
