;; Fails with a message that is not UTF-8.

;; -- items
(data (i32.const 200) "\01\00\00\00\60\00\00\00\01\00\00\00\f0\00\00\00\02\00\00\00\00\00\00\00")
(data (i32.const 240) "\c3\28")

;; -- add
(return (i32.const 200))
