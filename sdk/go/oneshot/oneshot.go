// Package oneshot makes a component of a response that happens once.
package oneshot

import riposte "riposte.local/sdk"

var response riposte.Oneshot

// Export makes the component export this response. To be called from init.
func Export(exported riposte.Oneshot) { response = exported }
