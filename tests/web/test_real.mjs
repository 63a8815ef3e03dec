export async function realTests() {}
