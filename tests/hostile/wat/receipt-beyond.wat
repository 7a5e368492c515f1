;; Returns a receipt that lies beyond its memory.

;; -- items
(data (i32.const 200) "\00\00\00\00\00\ff\01\00\00\ff\00\00")

;; -- add
(return (i32.const 200))
