throw new SyntaxError("the entry is broken");
