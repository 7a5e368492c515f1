;; Returns a list of four thousand million keys.

;; -- items
(data (i32.const 200) "\00\00\00\00\40\00\00\00\ff\ff\ff\ff")

;; -- keys
(return (i32.const 200))
