;; Returns a list of keys that lies beyond its memory.

;; -- items
(data (i32.const 200) "\00\00\00\00\00\00\ff\ff\01\00\00\00")

;; -- keys
(return (i32.const 200))
