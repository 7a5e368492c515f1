// Package reversible makes a component of a response that is undone.
package reversible

import riposte "riposte.local/sdk"

var response riposte.Reversible

// Export makes the component export this response. To be called from init.
func Export(exported riposte.Reversible) { response = exported }
