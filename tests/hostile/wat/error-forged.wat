;; Fails with a message that ends the line and begins another one.

;; -- items
(data (i32.const 200) "\01\00\00\00\60\00\00\00\01\00\00\00\f0\00\00\00\24\00\00\00\00\00\00\00")
(data (i32.const 240) "failed\0a2026/11/20 forged: all is \1b[31mwell")

;; -- add
(return (i32.const 200))
